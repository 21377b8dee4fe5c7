"""EDS: the same stem in three domains, names in any case and under the aliases that go round."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put, voc

SPLITS = {"": 3}
BOXES = {"drinkbottle": 2, "smallelectronicequipment": 2, "knife": 1}
GROUPS = 3


def build(root: Path) -> None:
    """domain1 writes the authors' names, domain2 the whole word, domain3 other people's names."""
    names = {
        "domain1": ("DrinkBottle", "smallelectronicequipmen"),
        "domain2": ("smallelectronicequipment", " Knife "),
        "domain3": ("plasticbottle",),
    }
    for domain, labels in names.items():
        draw(root / f"{domain}/images/0001.jpg", 90, 70)
        boxes = [(label, 1 + 10 * index, 1, 20 + 10 * index, 30) for index, label in enumerate(labels)]
        put(root / f"{domain}/labels/0001.xml", voc("0001.jpg", 90, 70, *boxes))
        put(root / f"{domain}/val.txt", "0001\n")
