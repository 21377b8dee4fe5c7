"""Whether a folder is in a format of exchange, whoever's scans it holds.

A public set that is known by the names of its scans alone asks so first: written in another format, or annotated anew,
they keep these names, and as that set they would lose every box.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets import coco, label_studio, labelme, pascal_voc, roboflow, roentgate_layout, yolo

_FORMATS = (
    pascal_voc.ADAPTER, yolo.ADAPTER, roentgate_layout.ADAPTER, roboflow.ADAPTER, coco.ADAPTER,
    labelme.ADAPTER, label_studio.ADAPTER,
)  # fmt: skip


def is_exchanged(root: Path) -> bool:
    """Whether annotations of a format of exchange lie there."""
    return any(adapter.recognise(root) for adapter in _FORMATS)
