from __future__ import annotations

import numpy as np
import pytest
import torch

from detector.errors import SettingsInvalid
from detector.normalise import letterbox
from detector.weights import load_weights
from training.models.flip_average import FlipAverage, averaged
from training.models.interface import GridNetwork
from training.models.table import build
from training.shipping.trainable import start_file
from training.simulation import simulate_luggage

#: Height and width of the images.
HEIGHT, WIDTH = 128, 192


@pytest.fixture(scope="module")
def network() -> GridNetwork:
    # A trained one: all scores of a fresh one are alike.
    spec = load_weights("luggage").spec
    made = build(spec.family, spec.class_names)
    made.load_pretrained(start_file("luggage"))
    assert isinstance(made, GridNetwork)
    return made.eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    bags = [simulate_luggage(seed, ("gun", "knife")).rgb for seed in range(2)]
    squares = np.stack([letterbox(bag, 192)[0][:128] for bag in bags])
    return torch.from_numpy(squares).permute(0, 3, 1, 2).float()


def by_place(network: torch.nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes and scores, sorted by where they lie."""
    with torch.no_grad():
        found = network(images)
    order = (found.boxes_xyxy * torch.tensor([1.0, 1000.0, 0.1, 100.0])).sum(dim=2).argsort(dim=1)
    index = order.unsqueeze(-1)
    return found.boxes_xyxy.gather(1, index.expand(-1, -1, 4)), found.scores.gather(
        1, index.expand(-1, -1, found.scores.shape[2])
    )


@pytest.mark.parametrize(("flips", "axes"), [("horizontal", [3]), ("both", [3]), ("both", [2]), ("both", [2, 3])])
def test_a_mirrored_scan_gives_the_mirrored_answer(
    network: GridNetwork, images: torch.Tensor, flips: str, axes: list[int]
) -> None:
    average = averaged(network, flips)  # type: ignore[arg-type]
    boxes, scores = by_place(average, images)
    with torch.no_grad():
        mirrored = average(images.flip(axes))
    x1, y1, x2, y2 = mirrored.boxes_xyxy.unbind(dim=-1)
    if 3 in axes:
        x1, x2 = WIDTH - x2, WIDTH - x1
    if 2 in axes:
        y1, y2 = HEIGHT - y2, HEIGHT - y1
    back = torch.stack((x1, y1, x2, y2), dim=-1)
    order = (back * torch.tensor([1.0, 1000.0, 0.1, 100.0])).sum(dim=2).argsort(dim=1).unsqueeze(-1)
    torch.testing.assert_close(back.gather(1, order.expand(-1, -1, 4)), boxes, atol=1e-2, rtol=1e-4)
    torch.testing.assert_close(
        mirrored.scores.gather(1, order.expand(-1, -1, scores.shape[2])), scores, atol=1e-5, rtol=1e-4
    )


def test_the_network_alone_does_not_answer_so(network: GridNetwork, images: torch.Tensor) -> None:
    with torch.no_grad():
        scores, mirrored = network(images).scores, network(images.flip([3])).scores
    assert (scores.amax(dim=(1, 2)) - mirrored.amax(dim=(1, 2))).abs().max() > 1e-6


def test_each_cell_is_averaged_with_its_partner(network: GridNetwork, images: torch.Tensor) -> None:
    with torch.no_grad():
        scores, _ = network.grid(images)
        turned, _ = network.grid(images.flip([3]))
        found = FlipAverage(network, "horizontal")(images)
    # Coarsest grid, the last of the answers: 4 rows of 6 cells.
    partner = turned[:, -24:].reshape(2, 4, 6, -1).flip(2).reshape(2, 24, -1)
    coarsest = (scores[:, -24:] + partner) / 2
    for image in range(2):
        sure = [wanted for wanted in coarsest[image] if wanted.max() > found.scores[image].amax(dim=1).min()]
        assert sure
        for wanted in sure:
            assert (found.scores[image] - wanted).abs().sum(dim=1).min() < 1e-5


def test_none_is_the_network_itself_and_others_need_a_grid(network: GridNetwork) -> None:
    assert averaged(network, "none") is network
    with pytest.raises(SettingsInvalid, match="only networks that answer on a grid"):
        averaged(build("ssdlite-mobilenetv3", ("gun",)), "horizontal")
