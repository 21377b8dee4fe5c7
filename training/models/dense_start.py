"""Starts a network of dense convolutions from a trained one of depthwise convolutions.

A depthwise convolution, its norm and SiLU, and a pointwise convolution become one dense convolution, of which they are
a special case but for the SiLU between them. After a norm a channel is about Gaussian, of mean `bias` and deviation
`weight`; the line nearest to the SiLU over it, by least squares, has the slope E[SiLU'] (Stein's lemma) and passes
through E[SiLU] at the mean. What the line leaves out, training puts right. No scans are needed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

_KERNEL = ".dconv.conv.weight"
_INNER = tuple(f".dconv.bn.{name}" for name in ("weight", "bias", "running_mean", "running_var"))
_OUTER = tuple(f".pconv.bn.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"))
_POINTWISE = ".pconv.conv.weight"
#: The norm's eps of the YOLOX release.
_EPS = 1e-3
#: Nodes of the Gauss-Hermite quadrature: SiLU is smooth, 32 give its means to 1e-6 for deviations up to 3.
_NODES = 32


def is_separable(state: Mapping[str, Tensor]) -> bool:
    """Whether a network of these tensors has depthwise convolutions, each with a pointwise one behind it."""
    return bool(_layers(state))


def densified(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`X.dconv.*` and `X.pconv.*` as `X.conv.weight` and `X.bn.*`; all other tensors as they are."""
    dense = dict(state)
    for layer in _layers(state):
        dense.update(_merged(state, layer))
        for name in (_KERNEL, ".dconv.bn.num_batches_tracked", *_INNER, _POINTWISE, *_OUTER):
            dense.pop(layer + name, None)
    return dense


def _layers(state: Mapping[str, Tensor]) -> list[str]:
    layers = [name.removesuffix(_KERNEL) for name in state if name.endswith(_KERNEL)]
    return [layer for layer in layers if all(layer + name in state for name in (*_INNER, _POINTWISE, *_OUTER))]


def _merged(state: Mapping[str, Tensor], layer: str) -> dict[str, Tensor]:
    weight, bias, mean, variance = (state[layer + name].double() for name in _INNER)
    scale = weight / (variance + _EPS).sqrt()
    level, slope = _silu_over(bias, weight.abs())
    pointwise = state[layer + _POINTWISE].double()[:, :, 0, 0]
    kernel = torch.einsum("oi,ikl->oikl", pointwise * (slope * scale), state[layer + _KERNEL].double()[:, 0])
    merged = {f"{layer}{name.removeprefix('.pconv')}": state[layer + name] for name in _OUTER}
    # The constant goes into the norm behind: the convolution has no bias.
    constant = pointwise @ (level - slope * scale * mean)
    merged[f"{layer}.bn.running_mean"] = (merged[f"{layer}.bn.running_mean"].double() - constant).float()
    return {f"{layer}.conv.weight": kernel.float(), **merged}


def _silu_over(mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """E[SiLU(z)] and E[SiLU'(z)] for z of N(mean, deviation^2)."""
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.hermite_e.hermegauss(_NODES))
    weights = weights / weights.sum()
    z = mean[:, None] + deviation[:, None] * nodes
    gate = torch.sigmoid(z)
    return (z * gate * weights).sum(1), (gate * (1 + z * (1 - gate)) * weights).sum(1)
