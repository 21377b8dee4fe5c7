"""The dozen scans of the repository's examples/ folder, each from its seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.simulation.container import simulate_container
from training.simulation.dataset import encode, write_coco
from training.simulation.luggage import SimulatedScan, simulate_luggage, simulate_luggage_views

#: Angle between the two views of the two-view scan, degrees.
SECOND_VIEW = 25.0


@dataclass(frozen=True)
class Example:
    """file_name says the format: .jpg and .png as displayed, .tif as 16-bit grey, or both views when views is 2."""

    file_name: str
    seed: int
    threats: tuple[str, ...] = ()
    width: int = 640
    views: int = 1


EXAMPLES = (
    Example("bag_gun.jpg", 1, ("gun",)),
    Example("bag_knife.jpg", 2, ("knife",)),
    Example("bag_scissors.jpg", 3, ("scissors",)),
    Example("bag_wrench.jpg", 47, ("wrench",)),
    Example("bag_gun_and_knife.jpg", 5, ("gun", "knife")),
    Example("bag_powerbank_and_lighter.jpg", 15, ("powerbank", "lighter")),
    Example("bag_clean_1.jpg", 11),
    Example("bag_clean_2.jpg", 15),
    Example("bag_clean_3.jpg", 13),
    Example("bag_clean_4.jpg", 14),
    Example("bag_gun_16bit.tif", 21, ("gun",), width=480),
    Example("bag_knife_two_views.tif", 22, ("knife",), width=400, views=2),
    Example("container_gun_and_wrench.png", 33, ("gun", "wrench"), width=1800),
)


def write_examples(folder: Path) -> Iterator[Path]:
    """Writes EXAMPLES and annotations.json into `folder`; yields each path when it is written.

    On one machine and one release of OpenCV a second run writes the same bytes. The boxes of a file with two views are
    those of its first page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members: list[tuple[str, SimulatedScan]] = []
    for example in EXAMPLES:
        views = simulate_example(example)
        path = folder / example.file_name
        path.write_bytes(encode(path.suffix, *stored_pages(example, views)))
        members.append((example.file_name, views[0]))
        yield path
    write_coco(folder / "annotations.json", members)
    yield folder / "annotations.json"


def simulate_example(example: Example) -> list[SimulatedScan]:
    """The views of one example."""
    if example.file_name.startswith("container"):
        return [simulate_container(example.seed, example.threats, example.width)]
    if example.views == 2:
        return simulate_luggage_views(example.seed, example.threats, (0.0, SECOND_VIEW), example.width)
    return [simulate_luggage(example.seed, example.threats, example.width)]


def stored_pages(example: Example, views: list[SimulatedScan]) -> list[np.ndarray[Any, np.dtype[Any]]]:
    """The pixels that the file holds, page by page."""
    if example.file_name.endswith("16bit.tif"):
        return [views[0].grey16]
    if example.file_name.startswith("container"):
        return [views[0].rgb[:, :, 0]]
    return [view.rgb for view in views]
