"""HGNetV2 backbones of the D-FINE and DEIMv2 releases, by the names that the releases give them."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import HGNetV2Config


@dataclass(frozen=True)
class HgnetShape:
    """stem: channels in, and of the two stem stages. middle, out: channels of each stage. blocks, layers: its depth.

    kernels: side of each stage's kernels. Figures of `HGNetv2.arch_configs` in the releases' hgnetv2.py.
    """

    stem: tuple[int, int, int]
    middle: tuple[int, ...]
    out: tuple[int, ...]
    blocks: tuple[int, ...]
    layers: int
    kernels: tuple[int, ...]


B0 = HgnetShape((3, 16, 16), (16, 32, 64, 128), (64, 256, 512, 1024), (1, 1, 2, 1), 3, (3, 3, 5, 5))
B2 = HgnetShape((3, 24, 32), (32, 64, 128, 256), (96, 384, 768, 1536), (1, 1, 3, 1), 4, (3, 3, 5, 5))
PICO = HgnetShape((3, 16, 16), (16, 32, 64), (64, 256, 512), (1, 1, 2), 3, (3, 3, 5))
FEMTO = HgnetShape((3, 16, 16), (16, 32, 64), (64, 256, 512), (1, 1, 1), 3, (3, 3, 5))
ATTO = HgnetShape((3, 16, 16), (16, 32, 64), (64, 256, 256), (1, 1, 1), 3, (3, 3, 3))


def hgnet_config(shape: HgnetShape, levels: list[int]) -> HGNetV2Config:
    """transformers' configuration. levels: stages that give features, from 1; stage n has stride 2 ** (n + 1)."""
    stages = len(shape.out)
    return HGNetV2Config(  # type: ignore[call-arg]
        depths=[shape.layers] * stages,
        hidden_sizes=list(shape.out),
        stem_channels=list(shape.stem),
        stage_in_channels=[shape.stem[2], *shape.out[:-1]],
        stage_mid_channels=list(shape.middle),
        stage_out_channels=list(shape.out),
        stage_num_blocks=list(shape.blocks),
        stage_downsample=[False, True, True, True][:stages],
        stage_light_block=[False, False, True, True][:stages],
        stage_kernel_size=list(shape.kernels),
        stage_numb_of_layers=[shape.layers] * stages,
        use_learnable_affine_block=True,
        out_indices=levels,
    )
