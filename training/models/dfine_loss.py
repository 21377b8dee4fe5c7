"""D-FINE's losses (Peng et al. 2024, arXiv 2410.13842), with classes that were not annotated left out.

The parts come from transformers. Three things differ. A class that a scan's source did not look for gives no
classification loss there. A batch without a single box is taken: clean scans are most of what a station sees. And each
decoder layer's distributions meet that layer's own boxes and scores, the last layer's included, as in the authors'
code; transformers 5.23 pairs them one layer off, because it puts the output before the first layer in front.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_convert, box_iou
from transformers.loss.loss_d_fine import DFineLoss
from transformers.loss.loss_rt_detr import RTDetrHungarianMatcher

from training.models.interface import Target

#: For each image, indices of predictions and of the boxes they answer for, both (n,) int64.
Matches = list[tuple[Tensor, Tensor]]
#: Reported name -> names of transformers' losses, whose suffixes tell layers apart.
GROUPS = {
    "classification": ("loss_vfl",),
    "box": ("loss_bbox", "loss_giou"),
    "distribution": ("loss_fgl", "loss_ddf"),
}


def labels_of(targets: list[Target], height: int, width: int) -> list[dict[str, Tensor]]:
    """Targets in pixels of a height x width input, as transformers takes them: boxes cx cy w h in 0..1."""
    labels = []
    for target in targets:
        boxes = box_convert(target.boxes_xyxy.float(), "xyxy", "cxcywh")
        scale = boxes.new_tensor([width, height, width, height])
        labels.append({"class_labels": target.class_ids, "boxes": boxes / scale, "annotated": target.annotated})
    return labels


class _Matcher(RTDetrHungarianMatcher):
    """The Hungarian matcher, for batches without boxes too."""

    @torch.no_grad()
    def forward(self, outputs: dict[str, Tensor], targets: list[dict[str, Tensor]]) -> Matches:
        if any(len(target["boxes"]) for target in targets):
            return super().forward(outputs, targets)  # type: ignore[no-any-return, no-untyped-call]
        return [(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)) for _ in targets]


class MaskedDfineLoss(DFineLoss):
    """Losses over all decoder layers, the encoder's proposals and the denoising queries."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)  # type: ignore[no-untyped-call]
        self.matcher = _Matcher(config)  # type: ignore[no-untyped-call]

    def grouped(self, output: Any, labels: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Scalar losses under the names of GROUPS.

        output: transformers' DFineModelOutput of a forward pass that was given `labels`.
        """
        losses = self(collect_outputs(output), labels)
        return {
            name: torch.stack([value for key, value in losses.items() if key.startswith(members)]).sum()
            for name, members in GROUPS.items()
        }

    def loss_labels_vfl(
        self,
        outputs: dict[str, Tensor],
        targets: list[dict[str, Tensor]],
        indices: Matches,
        num_boxes: float,
        log: bool = True,
    ) -> dict[str, Tensor]:
        """Varifocal loss (arXiv 2008.13367, equation 2) without background terms of classes not annotated.

        A box of such a class is still learned from: an item projected into the scan is there for certain.
        """
        logits = outputs["logits"]
        image, query = self._get_source_permutation_idx(indices)  # type: ignore[no-untyped-call]
        boxes = torch.cat([target["boxes"][index] for target, (_, index) in zip(targets, indices, strict=True)])
        classes = torch.cat(
            [target["class_labels"][index] for target, (_, index) in zip(targets, indices, strict=True)]
        )
        scores, positive = torch.zeros_like(logits), torch.zeros_like(logits, dtype=torch.bool)
        scores[image, query, classes] = _paired_iou(outputs["pred_boxes"][image, query].detach(), boxes).to(scores)
        positive[image, query, classes] = True
        annotated = torch.stack([target["annotated"] for target in targets])[:, None, :]
        background = self.alpha * logits.detach().sigmoid() ** self.gamma * annotated
        weight = torch.where(positive, scores, background)
        loss = functional.binary_cross_entropy_with_logits(logits, scores, weight=weight, reduction="sum")
        return {"loss_vfl": loss / num_boxes}


def _paired_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU (n,) of the i-th box of `first` with the i-th of `second`; both (n, 4), cx cy w h."""
    overlaps: Tensor = box_iou(box_convert(first, "cxcywh", "xyxy"), box_convert(second, "cxcywh", "xyxy"))
    return overlaps.diagonal()


def collect_outputs(output: Any) -> dict[str, Any]:
    """What transformers' criterion takes: the last layer, all other outputs, and those of the denoising queries."""
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

    The boxes before the first layer, given in training alone, have no distributions.
    """
    logits = output.intermediate_logits[:, :, queries].float()
    # Inside the image, and of no negative size, which the generalised IoU refuses.
    boxes = output.intermediate_reference_points[:, :, queries].float().clamp(0, 1)
    corners = output.intermediate_predicted_corners[:, :, queries].float()
    points = output.initial_reference_points[:, :, queries].float()
    before = logits.shape[1] - corners.shape[1]
    entries = []
    for index in range(logits.shape[1]):
        entry = {"logits": logits[:, index], "pred_boxes": boxes[:, index]}
        if index >= before:
            entry |= {"pred_corners": corners[:, index - before], "ref_points": points[:, index - before]}
            entry |= {"teacher_corners": corners[:, -1].detach(), "teacher_logits": logits[:, -1].detach()}
        entries.append(entry)
    return entries
