"""Pictures that a command was asked for, each told of once it is there."""

from __future__ import annotations

from pathlib import Path

from detector.normalise import UInt8
from detector.outputs.atomic import write_bytes_whole
from detector.outputs.drawing import png
from detector.terminal import tell


def write_picture(picture: UInt8, target: Path) -> None:
    """Writes (H, W, 3) RGB as PNG and says so on standard error. Raises OSError."""
    write_bytes_whole(target, png(picture))
    tell(f"wrote {target}")
