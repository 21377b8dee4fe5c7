"""Losses over dense anchors, with classes that were not annotated left out."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional
from torchvision.ops import complete_box_iou_loss

from training.models.assignment import Assignment

#: Weight and focus of background anchors (VarifocalNet, arXiv 2008.13367, equation 2).
NEGATIVE_WEIGHT, FOCUS = 0.75, 2.0


def classification_loss(logits: Tensor, target_scores: Tensor, annotated: Tensor) -> Tensor:
    """Varifocal loss of (N, A, C) logits, summed and divided by the sum of target scores.

    annotated: (N, C) bool. A class not annotated in a scan gives no loss there and no gradient, except at the anchors
    of a box that carries that class all the same (an item projected into the scan).
    """
    probabilities = logits.detach().sigmoid()
    positive = target_scores > 0
    negative_weight = NEGATIVE_WEIGHT * probabilities**FOCUS * annotated[:, None, :]
    weight = target_scores * positive + negative_weight * ~positive
    loss = functional.binary_cross_entropy_with_logits(logits, target_scores, weight=weight, reduction="sum")
    return loss / target_scores.sum().clamp(min=1.0)


def box_loss(boxes: Tensor, assignment: Assignment) -> Tensor:
    """Complete-IoU loss (Zheng et al. 2020) over positive anchors, weighted by their target scores."""
    positive = assignment.positive & (assignment.weights > 0)
    if not bool(positive.any()):
        return boxes.sum() * 0.0
    losses = complete_box_iou_loss(boxes[positive], assignment.boxes_xyxy[positive])
    weighted: Tensor = (losses * assignment.weights[positive]).sum()
    return weighted / assignment.weights.sum().clamp(min=1.0)
