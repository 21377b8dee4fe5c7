"""Losses of the families that predict distributions of box edges: D-FINE (arXiv 2410.13842) and DEIMv2 (2509.20787).

Beside what training/models/detr_loss.py says of all families one thing differs from transformers: each decoder layer's
distributions meet that layer's own boxes and scores, the last layer's included, as in the authors' code; transformers
5.23 pairs them one layer off, because it puts the output before the first layer in front.
"""

from __future__ import annotations

from transformers.loss.loss_d_fine import DFineLoss
from transformers.loss.loss_deimv2 import Deimv2Loss
from transformers.models.deimv2.configuration_deimv2 import Deimv2Config

from training.models.detr_loss import MaskedLosses


class MaskedDfineLoss(MaskedLosses, DFineLoss):
    """Losses over all decoder layers, the encoder's proposals and the denoising queries."""


class MaskedDeimv2Loss(MaskedLosses, Deimv2Loss):
    """The same with the matchability-aware loss, and one union of all layers' matches for boxes and distributions.

    Without the union (`use_dense_one_to_one`) the distributions have no loss of their own, as in the small releases.
    """

    def __init__(self, config: Deimv2Config) -> None:
        super().__init__(config)
        if not config.use_dense_one_to_one:
            self.losses = ["mal", "boxes"]
