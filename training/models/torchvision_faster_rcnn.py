"""Faster R-CNN (Ren et al. 2015, arXiv 1506.01497) on ResNet-50, in torchvision's improved version of 2021.

    network = FasterRcnn(("gun", "knife"))
    network.load_pretrained("FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1")

Two things differ from torchvision. Proposals are scored once a class, not once for all: one objectness cannot be taught
where a source looked for knives alone (docs/decisions/0003-scores-per-class.md); a released objectness starts every
class. And outside training proposals are the peaks of that score among their neighbours instead of the survivors of
non-maximum suppression, whose number differs from scan to scan: a graph for batches of any size needs the same number
of each, and nothing of one scan may depend on the scans beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import box_convert, clip_boxes_to_image, roi_align

from training.models.interface import MAX_CANDIDATES, Candidates, Target
from training.models.torchvision_base import ResNetDetector, decoded, masked_cross_entropy, matched_boxes

#: Side of a pooled region, samples a bin, and the side of a region that stride 16 is for (arXiv 1612.03144).
POOLED, SAMPLES, CANONICAL_SIDE, CANONICAL_LEVEL = 7, 2, 224, 4
#: The levels that regions are pooled from, by the power of two of their strides.
LEVELS = (2, 3, 4, 5)
#: Regions of a scan that the second stage learns from. torchvision's 512 are for COCO; a bag holds few items.
TRAINED_REGIONS = 128
#: Smallest side of a proposal, in pixels.
LEAST_SIDE = 1e-3
#: How much a proposal loses of its logit for each unit that it is behind the best place beside it. As good as removing
#: all but peaks, but without a jump: where two neighbours are level, rounding must not decide which one is looked at.
BEHIND_A_NEIGHBOUR = 10.0
_STARTED_EACH_CLASS = ("rpn.head.cls_logits.weight", "rpn.head.cls_logits.bias")


class FasterRcnn(ResNetDetector):
    first_class = 1

    def __init__(self, class_names: tuple[str, ...]) -> None:
        classes = len(class_names)
        network = fasterrcnn_resnet50_fpn_v2(
            weights=None,
            weights_backbone=None,
            num_classes=classes + 1,
            box_batch_size_per_image=TRAINED_REGIONS,
        )
        super().__init__(network, class_names)
        one = network.rpn.head.cls_logits
        each = nn.Conv2d(one.in_channels, one.out_channels * classes, one.kernel_size)
        nn.init.normal_(each.weight, std=0.01)
        nn.init.zeros_(each.bias)  # type: ignore[arg-type]
        network.rpn.head.cls_logits = each

    def _adapted(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        own = self.detector.state_dict()
        started = {
            name: state[name].repeat_interleave(len(self.class_names), dim=0)
            for name in _STARTED_EACH_CLASS
            if name in state and state[name].shape != own[name].shape
        }
        return state | started

    # --- training -----------------------------------------------------------------------------------------------------

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        features = self._features(images)
        logits, deltas = self._first_stage(features)
        anchors, labelled = self._anchors(self.detector.rpn.anchor_generator, images, features), self._labelled(targets)
        objectness, proposal_box = self._proposal_losses(logits, deltas, anchors, labelled)
        proposals = self._suppressed(logits, deltas, anchors, images, features)
        classification, box = self._region_losses(features, proposals, labelled)
        return {
            "classification": classification,
            "box": box,
            "proposal_classification": objectness,
            "proposal_box": proposal_box,
        }

    def _first_stage(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Of every anchor logits (N, A, C) and deltas (N, A, 4)."""
        logits, deltas = concat_box_prediction_layers(*self.detector.rpn.head(features))
        count = features[0].shape[0]
        return logits.float().reshape(count, -1, len(self.class_names)), deltas.float().reshape(count, -1, 4)

    def _proposal_losses(
        self, logits: Tensor, deltas: Tensor, anchors: Tensor, labelled: list[dict[str, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Classification and box loss over the anchors that torchvision's sampler draws of each scan."""
        rpn = self.detector.rpn
        matches = [matched_boxes(rpn.proposal_matcher, entry, anchors) for entry in labelled]
        drawn = rpn.fg_bg_sampler([torch.where(found == -2, -1, (found >= 0).long()) for found in matches])
        scores, boxes, count = [], [], 0
        for number, (entry, found) in enumerate(zip(labelled, matches, strict=True)):
            positive, used = torch.where(drawn[0][number])[0], torch.where(drawn[0][number] | drawn[1][number])[0]
            answered = torch.zeros_like(logits[number], dtype=torch.bool)
            answered[positive, entry["labels"][found[positive]] - 1] = True
            loss = functional.binary_cross_entropy_with_logits(
                logits[number], answered.to(logits.dtype), weight=answered | entry["annotated"], reduction="none"
            )
            scores.append(loss[used].sum())
            wanted = rpn.box_coder.encode_single(entry["boxes"][found[positive]], anchors[positive])
            boxes.append(functional.smooth_l1_loss(deltas[number, positive], wanted, beta=1 / 9, reduction="sum"))
            count += len(used)
        return torch.stack(scores).sum() / max(1, count), torch.stack(boxes).sum() / max(1, count)

    @torch.no_grad()
    def _suppressed(
        self, logits: Tensor, deltas: Tensor, anchors: Tensor, images: Tensor, features: list[Tensor]
    ) -> list[Tensor]:
        """Proposals (n, 4) of each scan, as torchvision trains on them: after non-maximum suppression."""
        count, size = len(logits), (int(images.shape[2]), int(images.shape[3]))
        boxes = decoded(self.detector.rpn.box_coder, deltas.detach(), anchors.expand(count, -1, -1))
        ratios = logits.shape[1] // sum(level.shape[2] * level.shape[3] for level in features)
        level_sizes = [level.shape[2] * level.shape[3] * ratios for level in features]
        best = logits.amax(dim=2)
        proposals: list[Tensor] = self.detector.rpn.filter_proposals(boxes, best, [size] * count, level_sizes)[0]
        return proposals

    def _region_losses(
        self, features: list[Tensor], proposals: list[Tensor], labelled: list[dict[str, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        heads = self.detector.roi_heads
        regions, _, labels, wanted = heads.select_training_samples(proposals, labelled)
        image = torch.cat([torch.full_like(found, number) for number, found in enumerate(labels)])
        label = torch.cat(labels)
        logits, deltas = self._second_stage(features, torch.cat(regions), image)
        annotated = torch.stack([entry["annotated"] for entry in labelled])[image]
        positive = torch.where(label > 0)[0]
        own = deltas.reshape(len(label), -1, 4)[positive, label[positive]]
        box = functional.smooth_l1_loss(own, torch.cat(wanted)[positive], beta=1 / 9, reduction="sum") / len(label)
        return masked_cross_entropy(logits, label, annotated).mean(), box

    def _second_stage(self, features: list[Tensor], boxes: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Of regions (R, 4) in images (R,): logits (R, C + 1), deltas (R, 4 * (C + 1))."""
        heads = self.detector.roi_heads
        logits, deltas = heads.box_predictor(heads.box_head(pooled_regions(features, boxes, image)))
        return logits.float(), deltas.float()

    # --- candidates ---------------------------------------------------------------------------------------------------

    def forward(self, images: Tensor) -> Candidates:
        """One candidate a proposal: the scores of all classes, and the box that its best class gives it."""
        features = self._features(images)
        proposals = self._peaks(images, features)
        count, regions = proposals.shape[0], proposals.shape[1]
        image = torch.arange(count, device=images.device).unsqueeze(1).expand(-1, regions).reshape(-1)
        logits, deltas = self._second_stage(features, proposals.reshape(-1, 4), image)
        scores = logits.softmax(dim=1)[:, 1:]
        best = scores.argmax(dim=1)[:, None, None].expand(-1, 1, 4) + 1
        own = deltas.reshape(-1, len(self.class_names) + 1, 4).gather(1, best).reshape(-1, 4)
        boxes = self.detector.roi_heads.box_coder.decode_single(own, proposals.reshape(-1, 4))
        return Candidates(boxes.reshape(count, regions, 4), scores.reshape(count, regions, len(self.class_names)))

    def _peaks(self, images: Tensor, features: list[Tensor]) -> Tensor:
        """(N, Q, 4): the best proposals, those far behind a neighbouring place of their level last."""
        scores, boxes, first = [], [], 0
        anchors = self._anchors(self.detector.rpn.anchor_generator, images, features)
        for logits, deltas in zip(*self.detector.rpn.head(features), strict=True):
            rows, columns, ratios = int(logits.shape[2]), int(logits.shape[3]), deltas.shape[1] // 4
            # (N, ratios, C, H, W): the best class of each anchor, then the best anchor of each place.
            each = logits.float().reshape(-1, ratios, len(self.class_names), rows, columns).amax(dim=2)
            place, ratio = each.max(dim=1, keepdim=True)
            behind = functional.max_pool2d(place, 3, stride=1, padding=1) - place
            scores.append((place - BEHIND_A_NEIGHBOUR * behind).flatten(1))
            chosen = ratio.flatten(1)[..., None, None].expand(-1, -1, 1, 4)
            of_ratios = deltas.float().reshape(-1, ratios, 4, rows, columns).permute(0, 3, 4, 1, 2)
            level = anchors[first : first + rows * columns * ratios].reshape(1, -1, ratios, 4)
            own = of_ratios.reshape(-1, rows * columns, ratios, 4).gather(2, chosen).squeeze(2)
            level = level.expand(chosen.shape[0], -1, -1, -1).gather(2, chosen).squeeze(2)
            boxes.append(decoded(self.detector.rpn.box_coder, own, level))
            first += rows * columns * ratios
        score, box = torch.cat(scores, dim=1), torch.cat(boxes, dim=1)
        best = score.topk(min(MAX_CANDIDATES, score.shape[1]), dim=1).indices
        return _inside(box.gather(1, best.unsqueeze(-1).expand(-1, -1, 4)), images)


def _inside(boxes: Tensor, images: Tensor) -> Tensor:
    """Boxes clipped to the image, none of them empty: a region without a side has no level."""
    centred = box_convert(clip_boxes_to_image(boxes, (int(images.shape[2]), int(images.shape[3]))), "xyxy", "cxcywh")
    kept = torch.cat((centred[..., :2], centred[..., 2:].clamp(min=LEAST_SIDE)), dim=-1)
    corners: Tensor = box_convert(kept, "cxcywh", "xyxy")
    return corners


def pooled_regions(features: list[Tensor], boxes: Tensor, image: Tensor) -> Tensor:
    """(R, channels, POOLED, POOLED) of boxes (R, 4) in images (R,), each from the level for its size.

    Every region is pooled from every level and one of them is kept: shapes then depend on the batch alone.
    """
    regions = torch.cat((image.unsqueeze(1).to(boxes.dtype), boxes), dim=1)
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    power = (CANONICAL_LEVEL + torch.log2(sides / CANONICAL_SIDE) + 1e-6).floor().clamp(LEVELS[0], LEVELS[-1])
    pooled = [
        roi_align(level.float(), regions, POOLED, 0.5**stride_power, SAMPLES)
        for stride_power, level in zip(LEVELS, features, strict=False)
    ]
    chosen: Tensor = pooled[0]
    for stride_power, other in zip(LEVELS[1:], pooled[1:], strict=True):
        chosen = torch.where((power == stride_power)[:, None, None, None], other, chosen)
    return chosen
