"""No path from an error to CLEAR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from detector import Decision, Detector, Policy, Scan
from detector import pipeline as pipeline_module
from detector.errors import InferenceFailed, ProviderUnavailable, SettingsInvalid
from detector.normalisation.standardise import WINDOWED
from detector.scanner_profile import Rendering, ScannerProfile
from tests.conftest import make_spec, picture, probe_onnx

WriteScan = Callable[..., Path]


@pytest.fixture(scope="module")
def detector(probe: Path) -> Detector:
    return Detector(probe, provider="cpu", threads=1)


def test_a_dark_middle_alarms_with_the_box_in_pixels_of_the_scan(
    detector: Detector, tmp_path: Path, write_scan: WriteScan
) -> None:
    inspection = detector.inspect(write_scan(tmp_path / "bag.png", middle=20))
    assert inspection.decision is Decision.ALARM
    assert inspection.reasons[0].startswith("gun 0.9")
    (found,) = inspection.detections
    assert found.class_name == "gun"
    # The probe's box is the middle half of its 64-pixel square; the scan is 128 pixels wide.
    assert found.box_xyxy == pytest.approx((32, 32, 96, 96))


def test_a_light_middle_clears(detector: Detector, tmp_path: Path, write_scan: WriteScan) -> None:
    inspection = detector.inspect(write_scan(tmp_path / "bag.png"))
    assert inspection.decision is Decision.CLEAR
    assert len(inspection.detections) == 0
    assert inspection.weights.startswith("probe@sha256:")


def test_results_of_an_earlier_pipeline_are_of_other_settings(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = detector.fingerprint()
    assert detector.fingerprint() == before
    monkeypatch.setattr(pipeline_module, "PIPELINE_VERSION", pipeline_module.PIPELINE_VERSION + 1)
    assert detector.fingerprint() != before


@pytest.mark.parametrize("wrong", [np.zeros((128, 128, 3), np.uint8), None, ["bag.png"]])
def test_what_is_no_scan_at_all_is_the_caller_s_fault(detector: Detector, wrong: object) -> None:
    with pytest.raises(TypeError, match="path, bytes or a Scan"):
        detector.inspect(wrong)  # type: ignore[arg-type]


def test_an_array_is_not_taken_for_as_many_views_as_it_has_rows() -> None:
    with pytest.raises(ValueError, match="a tuple of arrays"):
        Scan(picture(), "bag.png", "")  # type: ignore[arg-type]


def test_detections_one_by_one(detector: Detector) -> None:
    scan = Scan((picture(), picture(middle=10)), "bag.tif", "0" * 64)
    found = detector.inspect(scan).detections
    assert [found[0], found[-1]] == [next(iter(found)), [*found][-1]] and found[0].view == 1
    assert found == detector.inspect(scan).detections and found != found[:0] and found[[0]] == found[:1]
    with pytest.raises(IndexError):
        found[len(found)]


def test_every_view_is_judged(detector: Detector) -> None:
    light, dark = picture(), picture(middle=10)
    inspection = detector.inspect(Scan((light, dark), "bag.tif", "0" * 64))
    assert inspection.decision is Decision.ALARM
    assert inspection.detections.views.tolist() == [1]
    assert inspection.view_sizes == ((128, 128), (128, 128))


def test_an_item_in_one_tile_of_a_long_scan_is_found(detector: Detector) -> None:
    long = np.full((256, 2000, 3), 255, np.uint8)
    long[:4] = 100
    long[60:200, 1500:1750] = 10
    inspection = detector.inspect(Scan((long,), "container.png", "0" * 64))
    assert inspection.decision is Decision.ALARM
    x1, _, x2, _ = next(iter(inspection.detections)).box_xyxy
    assert 1300 < x1 < x2 < 1950


@pytest.mark.parametrize("bad", [b"", b"no scan", b"\x89PNG\r\n\x1a\n" + b"\0" * 100])
def test_bytes_that_are_no_scan_are_referred(detector: Detector, bad: bytes) -> None:
    inspection = detector.inspect(bad)
    assert inspection.decision is Decision.REFER
    assert inspection.reasons[0].startswith("ScanUnreadable:")
    assert inspection.error == "ScanUnreadable"


def test_a_missing_file_is_referred(detector: Detector, tmp_path: Path) -> None:
    inspection = detector.inspect(tmp_path / "gone.png")
    assert inspection.decision is Decision.REFER
    assert inspection.sha256 == ""


def test_a_scan_cut_short_is_referred(detector: Detector, tmp_path: Path, write_scan: WriteScan) -> None:
    data = write_scan(tmp_path / "bag.png", middle=250).read_bytes()
    assert detector.inspect(data[: len(data) // 2]).decision is Decision.REFER


def test_a_blank_scan_is_referred(detector: Detector) -> None:
    blank = cv2.imencode(".png", np.full((64, 64, 3), 255, np.uint8))[1].tobytes()
    inspection = detector.inspect(blank)
    assert inspection.decision is Decision.REFER
    assert inspection.reasons[0].startswith("ScanWithoutContent:")


@pytest.mark.parametrize("middle", [250, 20])
def test_what_was_seen_beside_a_blank_view_or_much_black_alarms_and_is_else_referred(
    detector: Detector, middle: int
) -> None:
    bag, white = picture(160, 160, middle=middle), np.full((160, 160, 3), 255, np.uint8)
    black = np.vstack([bag, np.zeros((100, 160, 3), np.uint8)])
    for views, told in (
        ((bag, white), "view 2 of 2: all parts of the view lie within 255..255 of 255"),
        ((white, bag), "view 1 of 2: all parts of the view lie within 255..255 of 255"),
        ((white, black, bag), "view 2 of 3: 38% of the view is black: nothing behind it can be seen"),
        ((black, bag), "view 1 of 2: 38% of the view is black: nothing behind it can be seen"),
    ):
        inspection = detector.inspect(Scan(views, "bag.tif", "0" * 64))
        assert inspection.decision is (Decision.ALARM if middle == 20 else Decision.REFER)
        assert told in inspection.reasons and not inspection.error
        assert [one.view for one in inspection.detections if one.class_name == "gun" and one.score > 0.5] == (
            [len(views) - 1 if views[0] is not bag else 0] if middle == 20 else []
        )


def test_a_scan_of_blank_views_alone_is_refused_and_says_its_size(detector: Detector) -> None:
    white = np.full((160, 200, 3), 255, np.uint8)
    inspection = detector.inspect(Scan((white, white), "bag.tif", "0" * 64))
    assert inspection.error == "ScanWithoutContent"
    assert inspection.view_sizes == ((200, 160), (200, 160))


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 3.0, -3.0])
def test_numbers_that_cannot_be_scores_are_referred(tmp_path: Path, poison: float) -> None:
    detector = Detector(probe_onnx(tmp_path / "poisoned.onnx", poison=poison), provider="cpu")
    inspection = detector.inspect(Scan((picture(),), "bag.png", "0" * 64))
    assert inspection.decision is Decision.REFER
    assert inspection.reasons[0].startswith("InferenceFailed:")


def test_whatever_raises_inside_ends_in_refer(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("no memory")

    good = Scan((picture(),), "bag.png", "0" * 64)
    for name in ("standardised", "tile_size", "cut", "merge_tiles", "decide", "listed", "calibrate"):
        with monkeypatch.context() as patched:
            patched.setattr(pipeline_module, name, broken)
            inspection = detector.inspect(good)
        assert inspection.decision is Decision.REFER, name
        assert "MemoryError" in inspection.reasons[0] and inspection.error == "InferenceFailed"
    assert detector.inspect(good).decision is Decision.CLEAR and not detector.inspect(good).error


def test_one_scan_that_fails_in_the_network_does_not_drag_others_along(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = [
        detector.prepare(Scan((picture(middle=middle),), f"{middle}.png", "0" * 64), f"{middle}.png")
        for middle in (250, 77, 20)
    ]
    infer = detector.network.infer

    def fails_on_the_second(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if (squares[:, 32, 32] == 77).all(axis=1).any():
            raise InferenceFailed("planted")
        return infer(squares)

    monkeypatch.setattr(detector.network, "infer", fails_on_the_second)
    decisions = [inspection.decision for inspection in detector.judge(prepared)]  # type: ignore[arg-type]
    assert decisions == [Decision.CLEAR, Decision.REFER, Decision.ALARM]


@pytest.mark.parametrize(("flips", "most"), [("none", 4), ("horizontal", 2), ("both", 1)])
def test_mirror_images_count_in_a_batch(flips: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector(probe_onnx(tmp_path / "probe.onnx", make_spec(flips=flips)), batch=4)
    infer, handed = detector.network.infer, []

    def noting(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        handed.append(len(squares))
        return infer(squares)

    monkeypatch.setattr(detector.network, "infer", noting)
    size = detector.spec.input_size
    assert len(detector._infer([np.zeros((size, size, 3), np.uint8)] * 5)) == 5
    assert max(handed) == most and sum(handed) == 5


def test_a_tile_that_was_not_inferred_is_noticed(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "_infer", lambda squares: [])
    inspection = detector.inspect(Scan((picture(),), "bag.png", "0" * 64))
    assert inspection.decision is Decision.REFER
    assert "0 of 1 tiles" in inspection.reasons[0]


def boxes_at(box: list[float], score: float) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A network that puts one gun there in every square of 64 pixels."""
    return lambda squares: (
        np.full((len(squares), 1, 4), box, np.float32),
        np.full((len(squares), 1, 2), (score, 0), np.float32),
    )


@pytest.mark.parametrize(
    ("box", "says"),
    [
        # A scan of 128 x 64 fills the upper half of the square.
        ([10, 40, 30, 60], "gun 0.40 was found beside the picture"),
        ([10, 10, 10, 30], "InferenceFailed: the network returned boxes without area"),
        ([70, 10, 90, 30], "InferenceFailed: the network returned boxes without area, or beside its square (gun 0.40)"),
        ([-30, 10, -5, 30], "InferenceFailed:"),
    ],
)
def test_a_decisive_box_that_lies_nowhere_is_not_cleared(
    probe: Path, monkeypatch: pytest.MonkeyPatch, box: list[float], says: str
) -> None:
    detector = Detector(probe, policy=Policy(refer={"gun": 0.35}), provider="cpu")
    scan = Scan((picture(128, 64),), "bag.png", "0" * 64)
    monkeypatch.setattr(detector.network, "infer", boxes_at(box, 0.4))
    inspection = detector.inspect(scan)
    assert inspection.decision is Decision.REFER
    assert inspection.reasons[0].startswith(says)
    monkeypatch.setattr(detector.network, "infer", boxes_at(box, 0.3))
    assert detector.inspect(scan).decision is Decision.CLEAR


def test_the_score_of_a_box_in_the_padding_is_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector(probe_onnx(tmp_path / "own.onnx", make_spec(calibration={"gun": (1.0, 3.0)})), provider="cpu")
    monkeypatch.setattr(detector.network, "infer", boxes_at([10, 40, 30, 60], 0.2))
    inspection = detector.inspect(Scan((picture(128, 64),), "bag.png", "0" * 64))
    assert inspection.reasons[0].startswith("gun 0.83 was found beside the picture")


def test_a_box_in_the_padding_keeps_the_alarms_beside_it(probe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector(probe, provider="cpu")
    boxes = np.array([[[10, 10, 30, 30], [10, 40, 30, 60]]], np.float32)
    scores = np.array([[[0.8, 0], [0.9, 0]]], np.float32)
    monkeypatch.setattr(detector.network, "infer", lambda squares: (boxes, scores))
    inspection = detector.inspect(Scan((picture(128, 64),), "bag.png", "0" * 64))
    assert inspection.decision is Decision.ALARM
    assert inspection.reasons[0].startswith("gun 0.80") and "gun 0.90 was found beside" in inspection.reasons[1]


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"provider": "gpu"}, ProviderUnavailable, "no provider is called 'gpu'"),
        ({"batch": 0}, SettingsInvalid, "batch = 0"),
        ({"threads": -1}, SettingsInvalid, "threads = -1"),
        ({"policy": "nowhere.toml"}, SettingsInvalid, "nowhere.toml"),
        ({"scanner": "nowhere.toml"}, SettingsInvalid, "nowhere.toml"),
    ],
)
def test_what_a_detector_cannot_work_with_is_said_in_our_words(
    probe: Path, given: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        Detector(probe, **{"provider": "cpu", **given})


def test_a_policy_and_a_profile_may_be_given_as_files(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[alarm]\ngun = 0.01\n")
    (tmp_path / "scanner.toml").write_text('name = "lane"\nrendering = "stored"\npixel_pitch_mm = [2.0, 2.0]\n')
    detector = Detector(probe, provider="cpu", policy=str(tmp_path / "policy.toml"), scanner=tmp_path / "scanner.toml")
    assert detector.thresholds.alarm["gun"] == 0.01
    assert detector.scanner is not None and detector.scanner.pixel_pitch_mm == (2.0, 2.0)


def test_a_policy_changes_the_decision_and_the_fingerprint(probe: Path) -> None:
    strict = Detector(probe, policy=Policy(alarm={"gun": 0.01}), provider="cpu")
    plain = Detector(probe, provider="cpu")
    scan = Scan((picture(middle=240),), "bag.png", "0" * 64)
    assert strict.inspect(scan).decision is Decision.ALARM
    assert plain.inspect(scan).decision is Decision.CLEAR
    assert strict.fingerprint() != plain.fingerprint()


def test_calibration_of_the_weights_is_applied(tmp_path: Path) -> None:
    spec = make_spec(calibration={"gun": (1.0, 3.0)})
    detector = Detector(probe_onnx(tmp_path / "calibrated.onnx", spec), provider="cpu")
    # 1 - 200/255 = 0.216; with an offset of 3 in the logit that is 0.85.
    inspection = detector.inspect(Scan((picture(middle=200),), "bag.png", "0" * 64))
    assert inspection.decision is Decision.ALARM
    assert inspection.detections.scores[0] == pytest.approx(0.847, abs=0.01)


@pytest.mark.parametrize("tile", ["no", "0", "12", "-5", "1e3"])
def test_a_tile_size_that_makes_no_sense_is_refused(probe: Path, tile: str) -> None:
    with pytest.raises(SettingsInvalid, match="--tile"):
        Detector(probe, tile=tile)


def test_a_thumbnail_is_no_scan(detector: Detector) -> None:
    inspection = detector.inspect(Scan((picture(400, 20),), "line.png", "0" * 64))
    assert inspection.decision is Decision.REFER
    assert "too few to judge" in inspection.reasons[0]
    # Which scan was refused can be told all the same.
    assert inspection.sha256 == "0" * 64


def test_a_negative_is_not_cleared_and_keeps_its_alarms(detector: Detector) -> None:
    negative = np.full((128, 128, 3), 25, np.uint8)
    negative[32:96, 32:96] = 230
    inspection = detector.inspect(Scan((negative,), "bag.png", "0" * 64))
    assert inspection.decision is Decision.REFER
    assert "may be a negative" in inspection.reasons[0]
    negative[54:74, 54:74] = 10
    assert detector.inspect(Scan((negative,), "bag.png", "0" * 64)).decision is Decision.ALARM


def test_a_grey_scan_is_not_cleared_by_weights_that_have_seen_coloured_ones_alone(tmp_path: Path) -> None:
    grey, coloured = picture(), picture()
    coloured[4:20, 20:108] = (230, 160, 90)
    # What JPEG leaves of grey is not exactly grey.
    noise = np.random.default_rng(0).integers(-6, 7, grey.shape)
    nearly = np.clip(grey.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    strict = Detector(probe_onnx(tmp_path / "strict.onnx", make_spec(coloured=True)))
    lenient = Detector(probe_onnx(tmp_path / "lenient.onnx"))

    def decided(detector: Detector, *views: np.ndarray) -> Decision:
        return detector.inspect(Scan(views, "bag.png", "0" * 64)).decision

    assert decided(strict, coloured) is decided(lenient, grey) is decided(lenient, nearly) is Decision.CLEAR
    assert decided(strict, grey) is decided(strict, nearly) is decided(strict, coloured, grey) is Decision.REFER
    # As bright as air throughout, colours and all: a faint picture of a bag, in which nothing is found.
    faint = (240 + coloured // 17).astype(np.uint8)
    assert decided(strict, faint) is Decision.REFER
    # One page of a file may be stored without its three channels.
    assert decided(strict, grey[:, :, 0]) is Decision.REFER
    assert decided(strict, picture(middle=10)) is Decision.ALARM
    inspection = strict.inspect(Scan((grey,), "bag.png", "0" * 64))
    assert not inspection.error, "it was judged"
    assert inspection.reasons[0] == "the scan is grey, and the weights strict have seen coloured ones alone"


@pytest.mark.parametrize(
    "renderings", [("stored",), ("grey",), ("stored", "grey", "display", "cargo", "cargo material")]
)
def test_more_than_8_bits_without_a_profile_are_never_cleared(tmp_path: Path, renderings: tuple[str, ...]) -> None:
    """Not by weights that know the profile's grey either: nobody checked air, polarity and energies of such a scan."""
    light, dark = tmp_path / "light.png", tmp_path / "dark.png"
    for path, middle in ((light, 250), (dark, 10)):
        levels = picture(middle=middle)[:, :, 0].astype(np.uint16) * 200
        levels[-4:] = np.linspace(2_000, 50_000, 128)
        cv2.imwrite(str(path), levels)
    detector = Detector(probe_onnx(tmp_path / "own.onnx", make_spec(renderings=renderings)))
    inspection = detector.inspect(light)
    assert inspection.decision is Decision.REFER
    # Beside it only what is told of any scan: nothing else keeps this one from being CLEAR.
    reason, note = inspection.reasons
    assert "not trained on 'windowed' scans" in reason and "--scanner" in reason
    assert note == "opaque: 2% of the cargo area"
    assert detector.inspect(dark).decision is Decision.ALARM


def test_nobody_can_choose_the_window() -> None:
    assert WINDOWED not in get_args(Rendering)
    with pytest.raises(ValidationError):
        make_spec(renderings=(WINDOWED,))
    with pytest.raises(ValidationError):
        ScannerProfile.model_validate({"name": "gate 3", "rendering": WINDOWED})
