"""torchvision's one-stage detectors: RetinaNet v2 and FCOS on ResNet-50, SSDlite on MobileNetV3.

    network = RetinaNet(("gun", "knife"))
    network.load_pretrained("RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1")

RetinaNet and FCOS score by one sigmoid a class, so a class that was not annotated is left out entry by entry. SSDlite
has a softmax over background and classes; there the class leaves the softmax (torchvision_base.masked_cross_entropy).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection import (
    fcos_resnet50_fpn,
    retinanet_resnet50_fpn_v2,
    ssdlite320_mobilenet_v3_large,
)
from torchvision.models.detection.fcos import FCOSHead

from detector.errors import SettingsInvalid
from training.models.interface import Candidates, Target, standardised
from training.models.pretrained import LoadReport
from training.models.torchvision_base import (
    ResNetDetector,
    TorchvisionDetector,
    best_anchors,
    decoded,
    masked_cross_entropy,
    masked_focal_loss,
    matched_boxes,
)

#: SSDlite learns this many background anchors for each positive one of a scan, and at least so many in every scan:
#: torchvision takes none from a scan without boxes, which would teach nothing from clean bags.
NEGATIVES_A_POSITIVE, LEAST_NEGATIVES = 3, 12
#: Pixels of the input to one of SSDlite's last map.
LAST_STRIDE = 512


def _positive(logits: Tensor, labelled: dict[str, Tensor], matches: Tensor) -> Tensor:
    """(A, C) bool: the class of the box that an anchor answers for."""
    positive = torch.zeros_like(logits, dtype=torch.bool)
    anchors = torch.where(matches >= 0)[0]
    positive[anchors, labelled["labels"][matches[anchors]]] = True
    return positive


class RetinaNet(ResNetDetector):
    """RetinaNet (Lin et al. 2017, arXiv 1708.02002) with torchvision's improved recipe of 2022."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        network = retinanet_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=len(class_names))
        super().__init__(network, class_names)

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        outputs, anchors = self._outputs(images)
        labelled = self._labelled(targets)
        matches = [matched_boxes(self.detector.proposal_matcher, entry, anchors) for entry in labelled]
        scores = [
            _retinanet_classification(logits, entry, found)
            for logits, entry, found in zip(outputs["cls_logits"], labelled, matches, strict=True)
        ]
        box = self.detector.head.regression_head.compute_loss(labelled, outputs, [anchors] * len(targets), matches)
        return {"classification": torch.stack(scores).mean(), "box": box}

    def forward(self, images: Tensor) -> Candidates:
        outputs, anchors = self._outputs(images)
        deltas = outputs["bbox_regression"]
        scores, deltas, chosen = best_anchors(outputs["cls_logits"].sigmoid(), deltas, anchors.expand_as(deltas))
        return Candidates(decoded(self.detector.box_coder, deltas, chosen), scores)

    def _outputs(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        features = self._features(images)
        outputs = {name: values.float() for name, values in self.detector.head(features).items()}
        return outputs, self._anchors(self.detector.anchor_generator, images, features)


def _retinanet_classification(logits: Tensor, labelled: dict[str, Tensor], matches: Tensor) -> Tensor:
    positive = _positive(logits, labelled, matches)
    # -2: too near to a box for background, too far for a hit.
    considered = (matches != -2)[:, None] & labelled["annotated"]
    return masked_focal_loss(logits, positive, considered) / (matches >= 0).sum().clamp(min=1)


class _MaskedFcosHead(FCOSHead):  # type: ignore[misc]
    """torchvision's head, whose classification loss leaves out what was not annotated."""

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = super().compute_loss(targets, head_outputs, anchors, matched_idxs)
        scores = [
            masked_focal_loss(logits, _positive(logits, labelled, matches), labelled["annotated"].expand_as(logits))
            for logits, labelled, matches in zip(head_outputs["cls_logits"], targets, matched_idxs, strict=True)
        ]
        boxes = sum(int((matches >= 0).sum()) for matches in matched_idxs)
        return losses | {"classification": torch.stack(scores).sum() / max(1, boxes)}


class Fcos(ResNetDetector):
    """FCOS (Tian et al. 2020, arXiv 2006.09214)."""

    def __init__(self, class_names: tuple[str, ...]) -> None:
        classes = len(class_names)
        network = fcos_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=classes, head=_MaskedFcosHead(256, 1, classes)
        )
        super().__init__(network, class_names)

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        outputs, anchors, level_sizes = self._outputs(images)
        found = self.detector.compute_loss(self._labelled(targets), outputs, [anchors] * len(targets), level_sizes)
        return {
            "classification": found["classification"],
            "box": found["bbox_regression"],
            "centredness": found["bbox_ctrness"],
        }

    def forward(self, images: Tensor) -> Candidates:
        outputs, anchors, _ = self._outputs(images)
        deltas = outputs["bbox_regression"]
        scores = (outputs["cls_logits"].sigmoid() * outputs["bbox_ctrness"].sigmoid()).sqrt()
        scores, deltas, chosen = best_anchors(scores, deltas, anchors.expand_as(deltas))
        return Candidates(self.detector.box_coder.decode(deltas, chosen), scores)

    def _outputs(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor, list[int]]:
        features = self._features(images)
        outputs = {name: values.float() for name, values in self.detector.head(features).items()}
        anchors = self._anchors(self.detector.anchor_generator, images, features)
        return outputs, anchors, [int(level.shape[2]) * int(level.shape[3]) for level in features]


class SsdLite(TorchvisionDetector):
    """SSDlite (Howard et al. 2019, arXiv 1905.02244) on MobileNetV3-Large, at any input size."""

    mean = deviation = (0.5, 0.5, 0.5)
    first_class = 1

    def __init__(self, class_names: tuple[str, ...]) -> None:
        network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=len(class_names) + 1)
        super().__init__(network, class_names)

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        if self.training and len(images) == 1 and max(images.shape[2:]) <= LAST_STRIDE:
            raise SettingsInvalid(
                "ssdlite's last map of one scan is a single pixel, which has no statistics to normalise by",
                remedy="give a batch_size of 2 or more",
            )
        logits, deltas, anchors = self._outputs(images)
        parts = [
            self._scan_losses(scan_logits, scan_deltas, anchors, labelled)
            for scan_logits, scan_deltas, labelled in zip(logits, deltas, self._labelled(targets), strict=True)
        ]
        classification, box, positives = (torch.stack(values) for values in zip(*parts, strict=True))
        # As many positives as the background of a scan is taken for, so that clean scans neither vanish nor rule.
        count = positives.clamp(min=LEAST_NEGATIVES // NEGATIVES_A_POSITIVE).sum()
        return {"classification": classification.sum() / count, "box": box.sum() / count}

    def _scan_losses(
        self, logits: Tensor, deltas: Tensor, anchors: Tensor, labelled: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sums over one scan: classification of positives and of the hardest background, boxes, number of positives."""
        matches = matched_boxes(self.detector.proposal_matcher, labelled, anchors)
        positive = matches >= 0
        labels = torch.zeros_like(matches)
        labels[positive] = labelled["labels"][matches[positive]]
        losses = masked_cross_entropy(logits, labels, labelled["annotated"].expand(len(labels), -1))
        background = losses.masked_fill(positive, -1.0)
        count = min(max(NEGATIVES_A_POSITIVE * int(positive.sum()), LEAST_NEGATIVES), int((~positive).sum()))
        hardest = background.detach().topk(count).indices
        wanted = self.detector.box_coder.encode_single(labelled["boxes"][matches[positive]], anchors[positive])
        box = functional.smooth_l1_loss(deltas[positive], wanted, reduction="sum")
        return losses[positive].sum() + losses[hardest].sum(), box, positive.sum()

    def forward(self, images: Tensor) -> Candidates:
        logits, deltas, anchors = self._outputs(images)
        scores = logits.softmax(dim=-1)[..., 1:]
        scores, deltas, chosen = best_anchors(scores, deltas, anchors.expand_as(deltas))
        return Candidates(decoded(self.detector.box_coder, deltas, chosen), scores)

    def _outputs(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self._features(images)
        outputs = self.detector.head(features)
        anchors = self._anchors(self.detector.anchor_generator, images, features)
        return outputs["cls_logits"].float(), outputs["bbox_regression"].float(), anchors

    def _features(self, images: Tensor) -> list[Tensor]:
        scaled = standardised(images, self.mean, self.deviation)
        features = []
        for block in self.detector.backbone.features:
            scaled = block(scaled)
            features.append(scaled)
        # On maps of one pixel, PyTorch's bfloat16 kernel for the weights' gradient of a channels-last depthwise
        # convolution with stride 2 reads uninitialised memory (2.15, CPU): now and then it gave NaN.
        with torch.autocast(images.device.type, enabled=False):
            scaled = scaled.float()
            for block in self.detector.backbone.extra:
                scaled = block(scaled)
                features.append(scaled)
        return features

    def _load_backbone(self, state: dict[str, Tensor]) -> LoadReport:
        backbone = self.detector.backbone
        return self._fill("detector.backbone.", backbone, _split_at_c4(state, len(backbone.features[0]) - 1))


def _split_at_c4(state: dict[str, Tensor], last: int) -> dict[str, Tensor]:
    """A MobileNetV3's names as SSDlite's: its block number `last` is cut after the first of its layers."""
    renamed = {}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        number, _, rest = rest.partition(".")
        if part != "features":
            continue
        if int(number) < last:
            renamed[f"features.0.{number}.{rest}"] = value
        elif int(number) > last:
            renamed[f"features.1.{int(number) - last}.{rest}"] = value
        else:
            layer, _, rest = rest.removeprefix("block.").partition(".")
            place = f"0.{last}" if layer == "0" else f"1.0.{int(layer) - 1}"
            renamed[f"features.{place}.{rest}"] = value
    return renamed
