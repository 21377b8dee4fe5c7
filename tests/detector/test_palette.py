from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from detector import Decision, Detector
from detector.errors import SettingsInvalid
from detector.inspection import Inspection
from detector.palette import AIR_TOLERANCE, COLOURS, Palette, cargo_colours, packed, unknown_share, unpacked
from detector.scan import Scan
from detector.settings import Policy
from tests.conftest import make_spec, probe_onnx

UInt8 = NDArray[np.uint8]

ORANGE, GREEN, BLUE = (230, 140, 60), (90, 180, 90), (40, 90, 200)


def painted(*colours: tuple[int, int, int], middle: int = 250) -> UInt8:
    """A bag in stripes of equal area, air around it, and a middle for the probe network."""
    image = np.full((128, 128, 3), 255, np.uint8)
    height = 96 // len(colours)
    for number, colour in enumerate(colours):
        image[16 + number * height : 16 + (number + 1) * height, 16:112] = colour
    # A cross of 16 x 16 pixels: a rectangle of air within a bag would be taken for paint.
    image[60:68, 54:74] = image[54:74, 60:68] = middle
    return image


def colours_of(*images: UInt8) -> NDArray[np.bool_]:
    return sum(cargo_colours(image) for image in images) > np.zeros(COLOURS)


def palette_of(*images: UInt8, air: tuple[float, float] = (255, 255)) -> Palette:
    return Palette(colours_of(*images), air)


def known(colours: str, air: tuple[float, float] = (250, 255)) -> dict[str, object]:
    return {"palettes": {"a": [{"colours": colours, "air": air}]}, "allowed": 0.01, "basis": "by hand"}


def test_air_has_no_colour_and_a_colour_is_eight_levels_wide() -> None:
    assert not cargo_colours(np.full((40, 40, 3), 250, np.uint8)).any()
    counts = cargo_colours(painted(ORANGE))
    assert counts.max() == 96 * 96 - 16 * 16 and np.count_nonzero(counts) == 1
    near = painted((ORANGE[0] - 5, ORANGE[1] - 3, ORANGE[2] - 3))
    assert unknown_share(near, [palette_of(painted(ORANGE))]) == 0
    assert unknown_share(painted((ORANGE[0] - 8, *ORANGE[1:])), [palette_of(painted(ORANGE))]) == 1


def test_a_scan_is_compared_with_one_palette_at_a_time() -> None:
    scan = painted(ORANGE, BLUE)
    separate = [palette_of(painted(ORANGE)), palette_of(painted(BLUE))]
    assert unknown_share(scan, separate) == pytest.approx(0.5, abs=0.01)
    assert unknown_share(scan, [*separate, palette_of(scan)]) == 0
    assert unknown_share(np.full((40, 40, 3), 255, np.uint8), separate) == 0


def test_a_scan_is_compared_with_palettes_of_like_air_alone() -> None:
    scan = painted(ORANGE)
    other = palette_of(painted(BLUE))
    assert unknown_share(scan, [palette_of(scan, air=(200, 255 - AIR_TOLERANCE)), other]) == 0
    assert unknown_share(scan, [palette_of(scan, air=(200, 254 - AIR_TOLERANCE)), other]) == 1
    assert unknown_share(scan, [palette_of(scan, air=(200, 220))]) == 1, "nobody's air is like this"


@pytest.mark.parametrize("air", [(200, 199), (float("nan"), 255), (200,)])
def test_weights_with_air_that_is_no_range_are_refused(air: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="air"):
        make_spec(coloured=True, colours=known(packed(np.ones(COLOURS, bool)), air))  # type: ignore[arg-type]


def test_a_large_scan_is_sampled_and_says_the_same() -> None:
    small = painted(ORANGE, GREEN, BLUE)
    large = np.repeat(np.repeat(small, 20, axis=0), 20, axis=1)
    palettes = [palette_of(painted(ORANGE, GREEN))]
    assert cargo_colours(large).sum() < 2_000_000
    assert unknown_share(large, palettes) == pytest.approx(unknown_share(small, palettes), abs=0.01)


def test_a_palette_survives_as_text() -> None:
    palette = np.random.default_rng(0).random(COLOURS) > 0.9
    np.testing.assert_array_equal(unpacked(packed(palette)), palette)


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", packed(np.zeros(COLOURS, bool)) + "AAAA"])
def test_weights_with_a_broken_palette_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="palette"):
        make_spec(coloured=True, colours=known(text))


@pytest.fixture(scope="module")
def orange_and_green(tmp_path_factory: pytest.TempPathFactory) -> Path:
    colours = known(packed(colours_of(painted(ORANGE, GREEN, middle=250), painted(ORANGE, GREEN, middle=0))))
    path = tmp_path_factory.mktemp("palette") / "known.onnx"
    return probe_onnx(path, make_spec(coloured=True, colours=colours))


def inspected(weights: Path, *views: UInt8, **policy: float) -> Inspection:
    scan = Scan(source="bag.png", views=views, sha256="0" * 64)
    return Detector(weights, policy=Policy.model_validate(policy)).inspect(scan)


def test_a_scan_in_unknown_colours_is_never_cleared(orange_and_green: Path) -> None:
    assert inspected(orange_and_green, painted(ORANGE, GREEN)).decision is Decision.CLEAR
    stranger = inspected(orange_and_green, painted(ORANGE, BLUE))
    assert stranger.decision is Decision.REFER
    assert stranger.reasons[0].startswith("unknown colours: 50.00% of the cargo, 1.00% is allowed")
    # One view of two is enough.
    assert inspected(orange_and_green, painted(ORANGE), painted(BLUE)).decision is Decision.REFER


def test_what_alarms_still_alarms_and_tells_of_the_colours(orange_and_green: Path) -> None:
    found = inspected(orange_and_green, painted(ORANGE, BLUE, middle=0))
    assert found.decision is Decision.ALARM
    assert found.reasons[0].startswith("gun") and "unknown colours" in found.reasons[1]


def test_a_policy_may_allow_more_or_less(orange_and_green: Path) -> None:
    scan = painted(ORANGE, BLUE)
    assert inspected(orange_and_green, scan, refer_unknown_colours_share=1).decision is Decision.CLEAR
    some = painted(ORANGE, GREEN)
    some[20, 20:60] = BLUE
    assert inspected(orange_and_green, some).decision is Decision.CLEAR
    assert inspected(orange_and_green, some, refer_unknown_colours_share=0).decision is Decision.REFER


def test_a_policy_on_colours_needs_weights_that_know_some(tmp_path: Path) -> None:
    plain = probe_onnx(tmp_path / "plain.onnx", make_spec(coloured=True))
    with pytest.raises(SettingsInvalid, match="do not say which colours they know"):
        Detector(plain, policy=Policy(refer_unknown_colours_share=0.01))
    Detector(plain, policy=Policy(refer_unknown_colours_share=1))
    with pytest.raises(ValidationError, match="colours are known"):
        make_spec(colours=known(packed(np.ones(COLOURS, bool))))
