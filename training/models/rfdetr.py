"""RF-DETR (Robinson et al. 2025, arXiv 2511.09554) from transformers: DINOv2 in windows, and a light decoder.

    network = Rfdetr(NANO, ("gun", "knife"))
    network.load_pretrained("Roboflow/rf-detr-nano")

A vision transformer learns little from a few thousand scans: give it the pretrained start.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import RfDetrConfig, RfDetrForObjectDetection
from transformers.models.rf_detr.configuration_rf_detr import RfDetrDinov2Config
from transformers.models.rf_detr.modeling_rf_detr import RfDetrDinov2Embeddings

from training.models.detr import Detr, initialise_as_released
from training.models.detr_loss import Labels, MaskedLosses, Matches, class_targets
from training.models.interface import IMAGENET_DEVIATION, IMAGENET_MEAN, standardised
from training.models.pretrained import LoadReport

PATCH = 16
#: Queries of each group. The release has 300 and more places at its sizes; 200 leave room for inputs of 256 pixels.
QUERIES = 200
#: Learned once a query: the groups' queries one after the other.
_OF_QUERIES = ("model.reference_point_embed.weight", "model.query_feat.weight")
#: Weight of the score against the IoU in the quality that a positive query is taught (LW-DETR, arXiv 2406.03459, 3.4).
QUALITY_POWER, LEAST_QUALITY = 0.25, 0.01


@dataclass(frozen=True)
class RfdetrShape:
    """input_size: of the release, in pixels; as many places as it has patches are learned."""

    input_size: int
    decoder_layers: int


NANO = RfdetrShape(384, 2)
SMALL = RfdetrShape(512, 3)


def rfdetr_config(shape: RfdetrShape, num_classes: int) -> RfDetrConfig:
    """transformers' configuration of `shape`."""
    return RfDetrConfig(  # type: ignore[call-arg]
        backbone_config=RfDetrDinov2Config(  # type: ignore[call-arg]
            hidden_size=384,
            num_attention_heads=6,
            num_hidden_layers=12,
            out_indices=[3, 6, 9, 12],
            image_size=shape.input_size,
            patch_size=PATCH,
            num_windows=2,
        ),
        num_labels=num_classes,
        decoder_layers=shape.decoder_layers,
        decoder_n_points=2,
        num_queries=QUERIES,
    )


class Rfdetr(Detr):
    family = "RF-DETR"
    backbone_prefix = "model.backbone.backbone."
    backbone_name = "DINOv2"
    proposal_strides = (PATCH,)
    queries = QUERIES

    def __init__(self, shape: RfdetrShape, class_names: tuple[str, ...]) -> None:
        super().__init__(class_names)
        self.shape = shape
        config = rfdetr_config(shape, len(class_names))
        self.detector = RfDetrForObjectDetection(config)
        initialise_as_released(self.detector.model, "backbone.backbone.")
        _make_exportable(self.detector.model.backbone.backbone)
        self.criterion = MaskedRfdetrLoss(config)

    def _scaled(self, images: Tensor) -> Tensor:
        return standardised(images, IMAGENET_MEAN, IMAGENET_DEVIATION)

    def _output(self, images: Tensor, labels: Labels | None = None) -> Any:
        if not torch.onnx.is_in_onnx_export():
            self._refuse_small(images.shape[2], images.shape[3])
        # Its model takes no labels: there are no denoising queries, but groups of queries in training.
        output = self.detector.model(self._scaled(images))
        logits, boxes = self.detector.predict_class_and_boxes(
            output.intermediate_hidden_states, output.intermediate_reference_points
        )
        proposals = self.detector.predict_encoder_class_logits(output.enc_outputs_class)
        return RfdetrOutput(logits, boxes, proposals, output.enc_outputs_coord_logits)

    def _load_detector(self, start: str, state: dict[str, Tensor]) -> LoadReport:
        groups = self.detector.config.group_detr
        for name in {*_OF_QUERIES, *(f"detector.{name}" for name in _OF_QUERIES)} & state.keys():
            # The first of each group stand for its best proposals.
            each = state[name].reshape(groups, -1, state[name].shape[1])
            state[name] = each[:, :QUERIES].flatten(0, 1).contiguous()
        return super()._load_detector(start, state)

    def _last_layer(self, output: Any) -> tuple[Tensor, Tensor]:
        # The first group is the one that is left outside training.
        return output.boxes[-1, :, :QUERIES], output.logits[-1, :, :QUERIES]


@dataclass(frozen=True)
class RfdetrOutput:
    """Of L decoder layers and G groups of queries: logits (L, N, G * Q, C), boxes (L, N, G * Q, 4) cx cy w h in 0..1.

    proposal_logits, proposal_boxes: of the encoder, without L.
    """

    logits: Tensor
    boxes: Tensor
    proposal_logits: Tensor
    proposal_boxes: Tensor


class _GroupMatcher(torch.nn.Module):
    """Each group of queries answers for every box once (Group DETR, arXiv 2207.13085)."""

    def __init__(self, matcher: torch.nn.Module) -> None:
        super().__init__()
        self.matcher = matcher

    def forward(self, outputs: dict[str, Tensor], targets: Labels) -> Matches:
        parts = [
            self.matcher({"logits": logits, "pred_boxes": boxes}, targets)
            for logits, boxes in zip(_groups(outputs["logits"]), _groups(outputs["pred_boxes"]), strict=True)
        ]
        return [
            (
                torch.cat([part[image][0] + QUERIES * group for group, part in enumerate(parts)]),
                torch.cat([part[image][1] for part in parts]),
            )
            for image in range(len(targets))
        ]


def _groups(values: Tensor) -> list[Tensor]:
    return [values[:, first : first + QUERIES] for first in range(0, values.shape[1], QUERIES)]


class MaskedRfdetrLoss(MaskedLosses):
    """RF-DETR's losses over all decoder layers and the encoder's proposals, in every group of queries."""

    def __init__(self, config: RfDetrConfig) -> None:
        super().__init__(_as_rtdetr(config))
        self.matcher = _GroupMatcher(self.matcher)  # type: ignore[assignment]

    def grouped(self, output: Any, labels: Labels) -> dict[str, Tensor]:
        layers = zip(output.logits, output.boxes, strict=True)
        *others, last = [_entry(*layer) for layer in (*layers, (output.proposal_logits, output.proposal_boxes))]
        losses = self({**last, "auxiliary_outputs": others}, labels)
        return {
            name: torch.stack([value for key, value in losses.items() if key.startswith(members)]).sum()
            for name, members in {"classification": ("loss_vfl",), "box": ("loss_bbox", "loss_giou")}.items()
        }

    def get_loss(
        self, loss: str, outputs: dict[str, Tensor], targets: Labels, indices: Matches, num_boxes: float
    ) -> dict[str, Tensor]:
        # Every group has all the boxes. In a batch without boxes as well: transformers divides by 1 there, and all the
        # groups' background would outweigh what batches with boxes teach.
        groups = outputs["logits"].shape[1] // QUERIES
        return super().get_loss(loss, outputs, targets, indices, num_boxes * groups)  # type: ignore[no-any-return, no-untyped-call]

    def loss_labels_vfl(
        self, outputs: dict[str, Tensor], targets: Labels, indices: Matches, num_boxes: float, log: bool = True
    ) -> dict[str, Tensor]:
        """IoU-aware cross-entropy of LW-DETR in place of the varifocal loss, under its name."""
        aims, logits = class_targets(outputs, targets, indices), outputs["logits"]
        scores = logits.sigmoid()
        quality = scores.detach() ** QUALITY_POWER * aims.overlaps ** (1 - QUALITY_POWER)
        weight = torch.where(aims.positive, 1.0, scores**self.gamma * aims.background)
        wanted = torch.where(aims.positive, quality.clamp(min=LEAST_QUALITY), 0.0)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return {"loss_vfl": (loss * weight).sum() / num_boxes}


def _entry(logits: Tensor, boxes: Tensor) -> dict[str, Tensor]:
    # Inside the image, and of no negative size, which the generalised IoU refuses.
    return {"logits": logits.float(), "pred_boxes": boxes.float().clamp(0, 1)}


def _as_rtdetr(config: RfDetrConfig) -> SimpleNamespace:
    """The costs and weights under the names that the shared criterion reads."""
    return SimpleNamespace(
        num_labels=config.num_labels,
        matcher_class_cost=config.class_cost,
        matcher_bbox_cost=config.bbox_cost,
        matcher_giou_cost=config.giou_cost,
        matcher_alpha=0.25,
        matcher_gamma=2.0,
        use_focal_loss=True,
        weight_loss_vfl=config.class_loss_coefficient,
        weight_loss_bbox=config.bbox_loss_coefficient,
        weight_loss_giou=config.giou_loss_coefficient,
        eos_coefficient=config.eos_coefficient,
        focal_loss_alpha=config.focal_alpha,
        focal_loss_gamma=2.0,
    )


# --- position embeddings at any size, in operators that ONNX has ------------------------------------------------------


class _ExportableEmbeddings(RfDetrDinov2Embeddings):
    """transformers' embeddings with their antialiased bicubic resize, which ONNX lacks, as two matrix products."""

    def interpolate_pos_encoding(self, embeddings: Tensor, height: int, width: int) -> Tensor:
        table = self.position_embeddings
        side = round((int(table.shape[1]) - 1) ** 0.5)
        places = table[:, 1:].reshape(side, side, table.shape[2])
        rows, columns = (
            torch.from_numpy(resize_matrix(side, int(pixels) // PATCH)).to(table) for pixels in (height, width)
        )
        resized = torch.einsum("hr,wc,rcd->hwd", rows, columns, places)
        return torch.cat((table[:, :1], resized.reshape(1, -1, table.shape[2])), dim=1)


def resize_matrix(old: int, new: int) -> NDArray[np.float32]:
    """(new, old) weights of torch's bicubic resize with antialiasing: Keys' cubic with a = -0.5, as Pillow has it."""
    scale = old / new
    stretch = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    away = np.abs(np.arange(old)[None] + 0.5 - centres[:, None]) / stretch
    near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    weights = np.where(away < 1, near, np.where(away < 2, far, 0.0))
    normalised: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def _make_exportable(backbone: Any) -> None:
    own = _ExportableEmbeddings(backbone.config)
    own.load_state_dict(backbone.embeddings.state_dict())
    # Of the mask token of its pretraining; nothing here uses it, and a parameter without gradient would be decayed.
    own.mask_token.requires_grad_(False)  # type: ignore[union-attr]
    backbone.embeddings = own
