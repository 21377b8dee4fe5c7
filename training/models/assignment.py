"""Which anchor answers for which box: task-aligned assignment (TOOD, Feng et al. 2021, arXiv 2108.07755)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.models.interface import Target

#: Anchors a box may take, and the exponents of score and IoU in the alignment measure (section 3.2 of the paper).
TOP_ANCHORS, SCORE_POWER, IOU_POWER = 13, 1.0, 6.0


@dataclass(frozen=True)
class Assignment:
    """Targets over all anchors A of a batch N.

    scores: (N, A, C) target scores 0..1, zero for background. boxes_xyxy: (N, A, 4) pixels, meaningful where
    positive. positive: (N, A) bool. weights: (N, A), the positive anchor's target score.
    """

    scores: Tensor
    boxes_xyxy: Tensor
    positive: Tensor
    weights: Tensor


@torch.no_grad()
def assign_by_task_alignment(scores: Tensor, boxes: Tensor, centres: Tensor, targets: list[Target]) -> Assignment:
    """Assigns the boxes of `targets` to anchors.

    scores: (N, A, C) 0..1. boxes: (N, A, 4) predicted, pixels. centres: (A, 2) anchor centres, pixels.
    """
    gt_boxes, gt_classes, valid = _padded(targets, boxes)
    overlaps = _pairwise_iou(gt_boxes, boxes)
    class_scores = scores.transpose(1, 2).gather(1, gt_classes.unsqueeze(-1).expand(-1, -1, scores.shape[1]))
    inside = _centres_inside(gt_boxes, centres) & valid.unsqueeze(-1)
    alignment = class_scores**SCORE_POWER * overlaps**IOU_POWER
    candidates = _top_anchors(alignment, inside)
    return _resolve(candidates, alignment, overlaps, gt_boxes, gt_classes, scores.shape[2])


def _padded(targets: list[Target], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    most = max(1, max(target.boxes_xyxy.shape[0] for target in targets))
    boxes = like.new_zeros(len(targets), most, 4)
    classes = torch.zeros(len(targets), most, dtype=torch.int64, device=like.device)
    valid = torch.zeros(len(targets), most, dtype=torch.bool, device=like.device)
    for index, target in enumerate(targets):
        count = target.boxes_xyxy.shape[0]
        boxes[index, :count], classes[index, :count], valid[index, :count] = target.boxes_xyxy, target.class_ids, True
    return boxes, classes, valid


def _pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of (N, M, 4) against (N, A, 4), as (N, M, A)."""
    top = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    bottom = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    shared = (bottom - top).clamp(min=0).prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1) for boxes in (first, second)]
    return shared / (areas[0][:, :, None] + areas[1][:, None, :] - shared).clamp(min=1e-6)


def _centres_inside(gt_boxes: Tensor, centres: Tensor) -> Tensor:
    after = (centres[None, None] > gt_boxes[:, :, None, :2]).all(-1)
    before = (centres[None, None] < gt_boxes[:, :, None, 2:]).all(-1)
    return after & before


def _top_anchors(alignment: Tensor, inside: Tensor) -> Tensor:
    """(N, M, A) bool: for each box its best anchors among those inside it."""
    # A tiny offset keeps inside anchors ahead of outside ones even where the predicted IoU is still zero.
    ranked = (alignment + 1e-12) * inside
    top = ranked.topk(min(TOP_ANCHORS, ranked.shape[-1]), dim=-1).indices
    return torch.zeros_like(inside).scatter_(-1, top, True) & inside


def _resolve(
    candidates: Tensor, alignment: Tensor, overlaps: Tensor, gt_boxes: Tensor, gt_classes: Tensor, num_classes: int
) -> Assignment:
    """An anchor that several boxes want goes to the one it overlaps most; target scores as in equation 8 of TOOD."""
    # Below zero where not a candidate, so that a candidate of zero overlap still wins over no candidate at all.
    owner = torch.where(candidates, overlaps, overlaps.new_tensor(-1.0)).argmax(dim=1)
    positive = candidates.any(dim=1)
    owned = candidates & (torch.arange(candidates.shape[1], device=owner.device)[None, :, None] == owner[:, None, :])
    kept_alignment = alignment * owned
    best_alignment = kept_alignment.amax(-1, keepdim=True).clamp(min=1e-9)
    best_overlap = (overlaps * owned).amax(-1, keepdim=True)
    normalised = (kept_alignment / best_alignment * best_overlap).amax(dim=1)
    weights = normalised * positive
    classes = gt_classes.gather(1, owner)
    scores = alignment.new_zeros(*owner.shape, num_classes)
    scores.scatter_(-1, classes.unsqueeze(-1), weights.unsqueeze(-1))
    boxes = gt_boxes.gather(1, owner.unsqueeze(-1).expand(-1, -1, 4))
    return Assignment(scores, boxes, positive, weights)
