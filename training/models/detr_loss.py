"""What the losses of all DETR families share, and the one rule for classes that a scan's source did not look for.

The parts come from transformers. Two things hold in every family. A class that was not annotated gives no background
loss in that scan, while a box of it is learned from all the same: an item projected into the scan is there for certain.
And a batch without a single box is taken: clean scans are most of what a station sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert, box_iou
from transformers.loss.loss_rt_detr import RTDetrHungarianMatcher, RTDetrLoss

from training.models.interface import Target

#: For each image, indices of predictions and of the boxes they answer for, both (n,) int64.
Matches = list[tuple[Tensor, Tensor]]
Labels = list[dict[str, Tensor]]
#: Reported name -> names of transformers' losses, whose suffixes tell layers apart.
GROUPS = {
    "classification": ("loss_vfl", "loss_mal"),
    "box": ("loss_bbox", "loss_giou"),
    "distribution": ("loss_fgl", "loss_ddf"),
}


def labels_of(targets: list[Target], height: int, width: int) -> Labels:
    """Targets in pixels of a height x width input, as transformers takes them: boxes cx cy w h in 0..1."""
    labels = []
    for target in targets:
        boxes = box_convert(target.boxes_xyxy.float(), "xyxy", "cxcywh")
        scale = boxes.new_tensor([width, height, width, height])
        labels.append({"class_labels": target.class_ids, "boxes": boxes / scale, "annotated": target.annotated})
    return labels


class AnyBatchMatcher(RTDetrHungarianMatcher):
    """The Hungarian matcher, for batches without boxes too."""

    @torch.no_grad()
    def forward(self, outputs: dict[str, Tensor], targets: Labels) -> Matches:
        if any(len(target["boxes"]) for target in targets):
            return super().forward(outputs, targets)  # type: ignore[no-any-return, no-untyped-call]
        return [(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)) for _ in targets]


@dataclass(frozen=True)
class ClassTargets:
    """What each of Q queries is to say of each of C classes; all (N, Q, C).

    positive: the query answers for a box of this class. overlaps: IoU of the query's box with that box, 0 elsewhere.
    background: no box of this class is meant, and the scan's source looked for the class.
    """

    positive: Tensor
    overlaps: Tensor
    background: Tensor


def class_targets(outputs: dict[str, Tensor], targets: Labels, matches: Matches) -> ClassTargets:
    """Targets of one layer. outputs: `logits` (N, Q, C), `pred_boxes` (N, Q, 4) cx cy w h in 0..1."""
    logits = outputs["logits"]
    image = torch.cat([torch.full_like(queries, index) for index, (queries, _) in enumerate(matches)])
    query = torch.cat([queries for queries, _ in matches])
    boxes = torch.cat([target["boxes"][index] for target, (_, index) in zip(targets, matches, strict=True)])
    classes = torch.cat([target["class_labels"][index] for target, (_, index) in zip(targets, matches, strict=True)])
    overlaps, positive = torch.zeros_like(logits), torch.zeros_like(logits, dtype=torch.bool)
    overlaps[image, query, classes] = _paired_iou(outputs["pred_boxes"][image, query].detach(), boxes).to(overlaps)
    positive[image, query, classes] = True
    annotated = torch.stack([target["annotated"] for target in targets])[:, None, :]
    return ClassTargets(positive, overlaps, annotated & ~positive)


def _paired_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU (n,) of the i-th box of `first` with the i-th of `second`; both (n, 4), cx cy w h."""
    overlaps: Tensor = box_iou(box_convert(first, "cxcywh", "xyxy"), box_convert(second, "cxcywh", "xyxy"))
    return overlaps.diagonal()


def weighted_cross_entropy(logits: Tensor, scores: Tensor, weight: Tensor) -> Tensor:
    """Sum over all queries and classes of binary cross-entropy with soft `scores`."""
    return functional.binary_cross_entropy_with_logits(logits, scores, weight=weight, reduction="sum")


class MaskedLosses(RTDetrLoss):
    """The classification losses of transformers' criteria under the rule above; mixed in before one of those."""

    #: Of the config: weight and exponent of background terms.
    alpha: float
    gamma: float

    def __init__(self, config: Any) -> None:
        super().__init__(config)  # type: ignore[no-untyped-call]
        self.matcher = AnyBatchMatcher(config)  # type: ignore[no-untyped-call]

    def grouped(self, output: Any, labels: Labels) -> dict[str, Tensor]:
        """Scalar losses under the names of GROUPS. output: the model's, of a forward pass that was given `labels`."""
        losses = self(collect_outputs(output), labels)
        named = {
            name: [value for key, value in losses.items() if key.startswith(members)]
            for name, members in GROUPS.items()
        }
        return {name: torch.stack(values).sum() for name, values in named.items() if values}

    def loss_labels_vfl(
        self, outputs: dict[str, Tensor], targets: Labels, indices: Matches, num_boxes: float, log: bool = True
    ) -> dict[str, Tensor]:
        """Varifocal loss (arXiv 2008.13367, equation 2)."""
        aims, logits = class_targets(outputs, targets, indices), outputs["logits"]
        background = self.alpha * logits.detach().sigmoid() ** self.gamma * aims.background
        weight = torch.where(aims.positive, aims.overlaps, background)
        return {"loss_vfl": weighted_cross_entropy(logits, aims.overlaps, weight) / num_boxes}

    def loss_labels_mal(
        self, outputs: dict[str, Tensor], targets: Labels, indices: Matches, num_boxes: float
    ) -> dict[str, Tensor]:
        """Matchability-aware loss (DEIM, arXiv 2412.04234, equation 5)."""
        aims, logits = class_targets(outputs, targets, indices), outputs["logits"]
        background = logits.detach().sigmoid() ** self.gamma * aims.background
        weight = torch.where(aims.positive, 1.0, background)
        return {"loss_mal": weighted_cross_entropy(logits, aims.overlaps**self.gamma, weight) / num_boxes}


class MaskedRtDetrLoss(MaskedLosses):
    """RT-DETR's losses over all decoder layers, the encoder's proposals and the denoising queries."""


def collect_outputs(output: Any) -> dict[str, Any]:
    """What transformers' criteria take: the last layer, all other outputs, and those of the denoising queries."""
    denoising = output.denoising_meta_values
    first_query = denoising["dn_num_split"][0] if denoising is not None else 0
    *others, last = _layer_outputs(output, slice(first_query, None))
    proposals = {"logits": output.enc_topk_logits.float(), "pred_boxes": output.enc_topk_bboxes.float().clamp(0, 1)}
    collected = {**last, "auxiliary_outputs": [*others, proposals]}
    if denoising is not None:
        collected["dn_auxiliary_outputs"] = _layer_outputs(output, slice(0, first_query))
        collected["denoising_meta_values"] = denoising
    return collected


def _layer_outputs(output: Any, queries: slice) -> list[dict[str, Tensor]]:
    """One entry for each set of boxes that the decoder gave for `queries`, the last layer's last.

    Families that predict distributions give boxes before the first layer too, in training alone and without any.
    """
    logits = output.intermediate_logits[:, :, queries].float()
    # Inside the image, and of no negative size, which the generalised IoU refuses.
    boxes = output.intermediate_reference_points[:, :, queries].float().clamp(0, 1)
    entries = [{"logits": logits[:, index], "pred_boxes": boxes[:, index]} for index in range(logits.shape[1])]
    if getattr(output, "intermediate_predicted_corners", None) is None:
        return entries
    corners = output.intermediate_predicted_corners[:, :, queries].float()
    points = output.initial_reference_points[:, :, queries].float()
    before = logits.shape[1] - corners.shape[1]
    for index, entry in enumerate(entries[before:]):
        entry |= {"pred_corners": corners[:, index], "ref_points": points[:, index]}
        entry |= {"teacher_corners": corners[:, -1].detach(), "teacher_logits": logits[:, -1].detach()}
    return entries
