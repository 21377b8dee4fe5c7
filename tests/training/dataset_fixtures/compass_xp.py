"""COMPASS-XP: two poses of one object and one of another, in three renderings, with photographs beside them."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"": 9}
BOXES: dict[str, int] = {}
GROUPS = 2


def build(root: Path) -> None:
    """meta.txt with tabs, as the authors' file."""
    rows = (("0001", "hair dryer", "1", "1", "False"), ("0002", "hair dryer", "1", "2", "False"))
    rows = (*rows, ("0003", "revolver", "1", "1", "True"))
    lines = ["basename\tclass\tinstance\tpose\tdangerous", *("\t".join(row) for row in rows)]
    put(root / "meta.txt", "\n".join([*lines, ""]))
    for name, *_ in rows:
        for rendering in ("Colour", "Low", "High"):
            draw(root / rendering / f"{name}.png", 50, 40)
        draw(root / "Photo" / f"{name}.jpg", 50, 40)
