"""A picture that was spoilt between the scanner and the file is looked at, and not cleared."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detector import Decision, Detector, Scan
from detector.export_faults import LEAST_SHARPNESS, MOST_TURNED, export_doubts, painted_over, sharpness, warmth
from training.simulation import simulate_luggage

UInt8 = NDArray[np.uint8]


def bag(height: int = 300, width: int = 420) -> UInt8:
    """Air round a case of boxes of many shades."""
    image = np.full((height, width, 3), 250, np.uint8)
    generator = np.random.default_rng(0)
    for _ in range(60):
        y, x = generator.integers((20, 20), (height - 60, width - 60))
        image[y : y + 40, x : x + 40] = generator.integers(90, 230, 3)
    return image


@pytest.mark.parametrize("scale", [0.5, 1, 3])
def test_a_sharp_bright_picture_is_not_doubted_whatever_its_size(scale: float) -> None:
    size = (round(420 * scale), round(300 * scale))
    assert export_doubts(cv2.resize(bag(), size, interpolation=cv2.INTER_AREA).astype(np.uint8)) == ()


def blurred(image: UInt8, deviation: float) -> UInt8:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.uint8)


@pytest.mark.parametrize("deviation", [2.0, 3.0, 6.0, 40.0])
def test_a_blurred_picture_is_doubted(deviation: float) -> None:
    assert any("blurred" in one for one in export_doubts(blurred(bag(), deviation)))


def test_a_thumbnail_that_was_enlarged_is_doubted() -> None:
    small = cv2.resize(bag(), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    assert any("thumbnail" in told for told in export_doubts(np.asarray(cv2.resize(small, (420, 300)), np.uint8)))


@pytest.mark.parametrize("brightness", [0.3, 0.6, 0.7])
def test_a_darkened_picture_is_doubted(brightness: float) -> None:
    (told,) = export_doubts((brightness * bag()).astype(np.uint8))
    assert f"level {int(brightness * 250)} of 255" in told


def paled(image: UInt8, contrast: float) -> UInt8:
    return np.rint(255 - contrast * (255.0 - image)).astype(np.uint8)


@pytest.mark.parametrize("contrast", [0.1, 0.2, 0.4])
def test_a_picture_whose_contrast_was_squeezed_against_white_is_doubted(contrast: float) -> None:
    assert any("pale" in told for told in export_doubts(paled(bag(), contrast)))
    assert not any("pale" in told for told in export_doubts(bag()))


@pytest.mark.parametrize("scale", [0.5, 1, 3])
@pytest.mark.parametrize(("spoilt", "told"), [(paled(bag(), 0.33), "pale"), (blurred(bag(), 4), "blurred")])
def test_a_caption_does_not_hide_that_a_picture_is_pale_or_blurred(spoilt: UInt8, told: str, scale: float) -> None:
    size = (round(420 * scale), round(300 * scale))
    seen = cv2.resize(spoilt, size, interpolation=cv2.INTER_AREA)
    line = (round(10 * scale), round(280 * scale))
    cv2.putText(seen, "SCAN 0042", line, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, 0, max(1, round(2 * scale)))
    assert any(told in one for one in export_doubts(np.asarray(seen, np.uint8)))


@pytest.mark.parametrize("wide", [600, 4000])
def test_how_pale_a_small_thing_is_does_not_depend_on_the_air_around_it(wide: int) -> None:
    lone = np.full((300, wide, 3), 250, np.uint8)
    lone[100:200, 100:220] = (150, 130, 90)
    assert not any("pale" in told for told in export_doubts(lone))
    assert any("pale" in told for told in export_doubts(paled(lone, 0.3)))


def test_air_that_is_tinted_in_one_channel_alone_is_dark_there() -> None:
    tinted = bag()
    tinted[..., 2] //= 2
    assert any("dark" in told for told in export_doubts(tinted))


def test_sharpness_is_of_edges_and_without_one_there_is_nothing_to_doubt() -> None:
    assert sharpness(np.full((64, 64), 200, np.uint8)) == 1.0
    step = np.full((64, 64), 200, np.uint8)
    step[:, 32:] = 100
    assert sharpness(step) == 1.0
    assert sharpness(blurred(step, 3)) < LEAST_SHARPNESS
    assert sharpness(blurred(step, 30)) == 0


@pytest.mark.parametrize("shape", [(20_000, 40), (40, 20_000), (2, 2), (1, 1)])
def test_a_strip_that_shrinks_to_a_line_has_no_edge(shape: tuple[int, int]) -> None:
    assert export_doubts(np.full((*shape, 3), 250, np.uint8)) == ()


def painted() -> UInt8:
    """Organic things in light orange, metal in dark blue."""
    image = bag()
    image[60:140, 60:200] = (240, 170, 90)
    image[160:240, 200:340] = (40, 60, 130)
    return image


def test_red_and_blue_swapped_are_told_by_what_is_dark() -> None:
    assert warmth(painted()) > MOST_TURNED and export_doubts(painted()) == ()
    (told,) = export_doubts(np.ascontiguousarray(painted()[..., ::-1]))
    assert "swapped" in told
    grey = np.repeat(painted().mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    one_colour = np.full((64, 64, 3), (240, 170, 90), np.uint8)
    assert warmth(grey) == 0 and warmth(one_colour) == 0 and warmth(one_colour[..., ::-1]) == 0


def test_a_spoilt_scan_is_referred_where_the_same_scan_is_cleared(probe: Path) -> None:
    detector, sound = Detector(probe, provider="cpu"), bag()
    assert detector.inspect(Scan((sound,), "sound", "0" * 64)).decision is Decision.CLEAR
    spoilt = detector.inspect(Scan((np.asarray(cv2.GaussianBlur(sound, (0, 0), 3)),), "spoilt", "0" * 64))
    assert spoilt.decision is Decision.REFER
    assert any("blurred" in reason for reason in spoilt.reasons)


@pytest.mark.parametrize("level", [255, 250])
@pytest.mark.parametrize(("height", "width"), [(30, 40), (100, 30), (120, 200)])
def test_a_rectangle_painted_as_air_within_the_bag_is_doubted(level: int, height: int, width: int) -> None:
    image = simulate_luggage(3, ("gun",)).rgb.copy()
    assert not any("painted" in told for told in export_doubts(image))
    middle = image.shape[0] // 2, image.shape[1] // 2
    where = (
        slice(middle[0] - height // 2, middle[0] + height // 2),
        slice(middle[1] - width // 2, middle[1] + width // 2),
    )
    image[where] = level
    # Also saved once more, as viewers do.
    stored = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_COLOR)
    for seen in (image, np.asarray(stored, np.uint8)):
        assert any("painted over" in told for told in export_doubts(seen))


@pytest.mark.parametrize("scale", [1, 3])
def test_gaps_of_any_other_shape_are_no_paint(scale: int) -> None:
    image = np.full((300 * scale, 420 * scale, 3), 255, np.uint8)
    cv2.rectangle(image, (40 * scale, 40 * scale), (380 * scale, 260 * scale), (200, 150, 90), -1)
    cv2.circle(image, (150 * scale, 150 * scale), 50 * scale, (255, 255, 255), -1)
    cv2.fillPoly(image, [np.array([[220, 100], [330, 140], [250, 220]], np.int32) * scale], (255, 255, 255))
    # A notch is open to the air outside.
    cv2.rectangle(image, (360 * scale, 100 * scale), (419 * scale, 160 * scale), (255, 255, 255), -1)
    assert painted_over(image, 255.0) == 0
    cv2.rectangle(image, (60 * scale, 220 * scale), (110 * scale, 245 * scale), (255, 255, 255), -1)
    assert painted_over(image, 255.0) == pytest.approx(51 * 26 / (300 * 420), rel=0.1)


def test_a_picture_without_anything_as_bright_as_air_is_not_painted() -> None:
    assert painted_over(np.full((64, 64, 3), 10, np.uint8), 250.0) == 0
