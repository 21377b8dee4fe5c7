"""The data sets and annotation formats that are read. To add one, add a file and a line to ADAPTERS.

Order matters where a general format would take a public set's folder for its own: public sets first.
"""

from __future__ import annotations

from training.datasets import (
    clcxray,
    coco,
    compass_xp,
    dvxray,
    eds,
    gdxray,
    hixray,
    iedxray,
    is2ai,
    label_studio,
    labelme,
    ldxray,
    molit,
    opixray,
    pascal_voc,
    pidray,
    pixray,
    roboflow,
    roentgate_layout,
    sixray,
    stcray,
    xray_fsod,
    yolo,
)
from training.datasets.annotated_set import Adapter

ADAPTERS: dict[str, Adapter] = {
    "compass-xp": compass_xp.ADAPTER,
    "eds": eds.ADAPTER,
    "gdxray": gdxray.ADAPTER,
    "hixray": hixray.ADAPTER,
    "is2ai": is2ai.ADAPTER,
    "molit": molit.ADAPTER,
    "opixray": opixray.ADAPTER,
    "sixray": sixray.ADAPTER,
    "xray-fsod": xray_fsod.ADAPTER,
    "clcxray": clcxray.ADAPTER,
    "dvxray": dvxray.ADAPTER,
    "iedxray": iedxray.ADAPTER,
    "ldxray": ldxray.ADAPTER,
    "pidray": pidray.ADAPTER,
    "pidray-v2": pidray.ADAPTER_VERSION_2,
    "pixray": pixray.ADAPTER,
    "stcray": stcray.ADAPTER,
    "pascal-voc": pascal_voc.ADAPTER,
    "yolo": yolo.ADAPTER,
    "roentgate": roentgate_layout.ADAPTER,
    "roboflow": roboflow.ADAPTER,
    "coco": coco.ADAPTER,
    "labelme": labelme.ADAPTER,
    "label-studio": label_studio.ADAPTER,
}
