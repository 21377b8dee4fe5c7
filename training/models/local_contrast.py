"""What a place adds to its surroundings: a fourth channel for networks of cargo.

In the logarithm of transmission a hidden thing adds the same levels whatever lies over it, but few: a pistol some 16 of
255, a blade 3, where walls and engines add 200. Beside those a network hardly sees them. This channel is the logarithm
less its mean around, bent by an inverse hyperbolic sine: a level counts in full where little is there, and the edge of
a wall does not drown the rest. It is computed within the network, from the channel that holds the logarithm anyway, so
the station's preprocessing is the same for all networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

#: The channel of the cargo renderings that holds the logarithm of transmission (`detector/normalise.py`).
LOGARITHM = 1
#: Side of the cells that surroundings are averaged in, pixels, and the deviation of the Gaussian over them, cells:
#: 100 mm at 5 mm a pixel, half the length of a pistol.
CELL, DEVIATION = 8, 2.5
#: Levels up to which the channel grows evenly, and what it grows by for each factor of e beyond: edges of 250 levels
#: then come to 190, about as far as the other channels reach.
EVEN, GAIN = 1.0, 30.0


class LocalContrast(nn.Module):
    """(N, 3, H, W) channels 0..255, H and W multiples of CELL -> (N, 1, H, W), above 0 what is darker than around."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        reach = round(2 * DEVIATION)
        away = torch.arange(-reach, reach + 1, dtype=torch.float32)
        kernel = torch.exp(-(away**2) / (2 * DEVIATION**2))
        # Made anew each time: it is no weight.
        self.register_buffer("kernel", kernel / kernel.sum(), persistent=False)

    def forward(self, channels: Tensor) -> Tensor:
        # Half precision has no room for a few levels beside two hundred.
        with torch.autocast(channels.device.type, enabled=False):
            level = channels[:, LOGARITHM : LOGARITHM + 1].float()
            beyond = (self._around(level) - level) / EVEN
            # torch.asinh is not exported to ONNX.
            return GAIN * beyond.sign() * torch.log(beyond.abs() + torch.sqrt(beyond * beyond + 1))

    def _around(self, level: Tensor) -> Tensor:
        cells = functional.avg_pool2d(level, CELL)
        reach = len(self.kernel) // 2
        for shape, padding in (((1, 1, 1, -1), (reach, reach, 0, 0)), ((1, 1, -1, 1), (0, 0, reach, reach))):
            padded = functional.pad(cells, padding, mode="replicate")
            cells = functional.conv2d(padded, self.kernel.reshape(shape))
        # Bilinear enlarging as two products: ONNX Runtime's own does it for sixteen channels where there is one.
        down, across = (_between_cells(level.shape[axis], cells.shape[axis], level.device) for axis in (2, 3))
        return down @ cells @ across.T


def _between_cells(length: int, cells: int, device: torch.device) -> Tensor:
    """(length, cells) by how much each pixel takes the value of each cell: of the two nearest centres, by distance."""
    centres = torch.arange(cells, dtype=torch.float32, device=device)
    places = (torch.arange(length, dtype=torch.float32, device=device) + 0.5) / CELL - 0.5
    away = (places.clamp(0, cells - 1)[:, None] - centres).abs()
    return (1 - away).clamp(min=0)
