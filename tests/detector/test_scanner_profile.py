"""A scanner profile is taken as written, fits the file or refuses it, and decides where a scan goes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector import Decision, Detector, Policy
from detector.cli import main
from detector.errors import ProfileMismatch, RoentgateError, ScanWithoutContent, SettingsInvalid
from detector.normalisation.standardise import exposures, standardised
from detector.normalise import black_square_mm, render
from detector.pipeline import PreparedScan
from detector.readers import read_scan
from detector.scan import Scan
from detector.scanner_probe import probe as probe_scans
from detector.scanner_profile import ScannerProfile, load_profile, parse_profile
from tests.conftest import make_spec, probe_onnx
from tests.detector.beer_lambert import AIR, DARK, HEIGHT, LOWER, UPPER, gains, high_and_low, scan_of, stored

EXAMPLES = Path(__file__).parents[2] / "examples"
DUAL = {"name": "gate 3", "energies": ("high", "low"), "air_columns": (0, 40), "calibration": {"dark": DARK}}


def profile(**changes: object) -> ScannerProfile:
    return ScannerProfile.model_validate(DUAL | changes)


def single(**changes: object) -> ScannerProfile:
    return profile(energies=("high",), **changes)


def raw(noise: float = 60, **slabs: float) -> list[np.ndarray]:
    return [stored(part, gains(number), noise) for number, part in enumerate(high_and_low(**slabs))]


# The file


def test_a_whole_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(
        'name = "gate 3"\nweights = "luggage"\nenergies = ["low", "high"]\narrangement = "side by side"\n'
        'polarity = "air dark"\nbits_stored = 12\nair_value = { high = 3900, low = 3700 }\nbelt = "y"\n'
        'pixel_pitch_mm = [5.0, 4.0]\nwidth = 800\nbeam = "keV"\nrendering = "cargo material"\n'
        "material_curve = [[1.2, 7], [2.0, 20]]\n[calibration]\ndark = 12\ngain = { high = 1.0, low = 0.98 }\n"
    )
    found = load_profile(path)
    assert found.weights == "luggage" and found.pages == 1 and found.curve == ((1.2, 7), (2.0, 20))
    assert found.calibration.gain == {"high": 1.0, "low": 0.98}
    assert found.fingerprint() != found.model_copy(update={"polarity": "air bright"}).fingerprint()
    assert found.fingerprint() == load_profile(path).fingerprint()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "name is missing"),
        ('polarty = "air dark"', "unknown key 'polarty'; did you mean 'polarity'?"),
        ("[calibration]\ndrak = 3", "unknown key 'calibration.drak'; did you mean 'dark'?"),
        ('polarity = "bright"', "polarity = 'bright'"),
        ('energies = ["low"]', "energies are"),
        ('energies = ["high", "high"]', "energies are"),
        ('arrangement = "planes"', "there is one"),
        ('rendering = "cargo material"', "needs two energies"),
        ("air_value = 3\nair_columns = [0, 9]", "not both"),
        ("air_value = { low = 5 }", "exactly the energies"),
        ("material_curve = [[1.2, 7]]", "two different quotients"),
        ("bits_stored = 20", "bits_stored = 20"),
        ("air_value = nan", "air_value"),
        ("air_value = true", "air_value"),
        ("air_value = { high = true }", "air_value"),
        ('air_columns = ["0", "40"]', "air_columns.0 = '0'"),
        ("air_columns = [0.0, 40]", "air_columns.0 = 0.0"),
        ("pixel_pitch_mm = [true, 5.0]", "pixel_pitch_mm.0 = True"),
        ("opaque_transmission = '0.1'", "opaque_transmission = '0.1'"),
        ("material_curve = [[1.2, 7], ['2', 20]]", "material_curve.1.0 = '2'"),
        ("views = true", "views = True"),
        ("views = 1.0", "views = 1.0"),
        ("bits_stored = true", "bits_stored = True"),
        ("width = '900'", "width = '900'"),
        ("[calibration]\ngain = '2'", "calibration.gain"),
        ("[calibration]\ndark = true", "calibration.dark"),
        ('polarity = "air dark"', "needs bits_stored"),
        ('polarity = "air dark"\nbits_stored = 12\nrendering = "stored"', "cannot turn 'air dark' round"),
        ('rendering = "stored"\nair_value = 9', "as they are: leave out air_value"),
        ('rendering = "stored"\nair_columns = [0, 9]\nbeam = "keV"', "as they are: leave out air_columns, beam"),
        ('rendering = "stored"\nmaterial_curve = [[1.2, 7], [2.0, 20]]', "as they are: leave out material_curve"),
        ('rendering = "stored"\nopaque_transmission = 0.01', "as they are: leave out opaque_transmission"),
        ('rendering = "stored"\n[calibration]\ndark = 9', "as they are: leave out calibration"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        parse_profile(f'name = "a"\n{text}' if text else "", "gate.toml")
    assert told in refused.value.what
    assert "gate.toml" in refused.value.what and "\n" not in refused.value.what and refused.value.remedy


# Fits, and what it gives


@pytest.mark.parametrize("belt", ["x", "y"])
@pytest.mark.parametrize("polarity", ["air bright", "air dark"])
def test_transmission_is_that_of_the_slabs(belt: str, polarity: str) -> None:
    high, low = high_and_low()
    pages = [page if polarity == "air bright" else 65_535 - page for page in raw()]
    pages = [page if belt == "x" else page.T for page in pages]
    (found,) = exposures(scan_of(*pages), profile(belt=belt, polarity=polarity, bits_stored=16))
    assert found.low is not None
    for part, expected in ((found.high, high), (found.low, low)):
        turned = part if belt == "x" else part.T
        assert turned[UPPER].mean() == pytest.approx(expected[UPPER].mean(), rel=0.005)
        assert turned[LOWER].mean() == pytest.approx(expected[LOWER].mean(), rel=0.005)
        assert turned[5:15].mean() == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize("arrangement", ["planes", "side by side", "stacked", "pages"])
def test_each_layout_of_the_energies(arrangement: str) -> None:
    high, low = raw()
    pages = {
        "pages": (high, low),
        "planes": (np.dstack([high, low, low]),),
        "side by side": (np.hstack([high, low]),),
        "stacked": (np.vstack([high, low]),),
    }[arrangement]
    (expected,) = exposures(scan_of(high, low), profile())
    (found,) = exposures(scan_of(*pages), profile(arrangement=arrangement))
    assert np.array_equal(found.high, expected.high) and np.array_equal(found.low, expected.low)


def test_two_views_of_two_energies() -> None:
    high, low = raw()
    seen = standardised(scan_of(high, low, high[:, ::-1], low[:, ::-1]), profile(views=2, air_columns=(-50, 0)))
    assert [image.shape for image in seen.images] == [(HEIGHT, 400, 3)] * 2
    assert [view.shape for view in seen.scan.views] == [(HEIGHT, 400)] * 2


@pytest.mark.parametrize("rendering", ["grey", "display", "cargo", "cargo material"])
def test_air_is_white_and_denser_is_darker_in_every_rendering(rendering: str) -> None:
    seen = standardised(scan_of(*raw()), profile(rendering=rendering))
    (image,) = seen.images
    assert image.dtype == np.uint8
    assert np.median(image[5:15], axis=(0, 1)).min() >= 252
    thin = standardised(scan_of(*raw(steel_cm=3.0)), profile(rendering=rendering)).images[0]
    assert (image[UPPER][..., 0].mean()) < thin[UPPER][..., 0].mean()
    # What people are shown is grey whatever the network is given.
    assert seen.scan.views[0].ndim == 2


def test_the_logarithm_sees_behind_what_is_black_in_transmission() -> None:
    images = [
        standardised(scan_of(*raw(noise=2, steel_cm=depth)), profile(rendering="cargo"))
        .images[0][UPPER]
        .mean(axis=(0, 1))
        for depth in (16.0, 18.0)
    ]
    # exp(-0.335 * 16): 1.2 levels of 255 in transmission, and 32 levels for each factor of e in its logarithm.
    assert images[0][0] < 2 and images[0][1] - images[1][1] == pytest.approx(2 * 0.335 * 255 / 8, rel=0.05)


def test_the_material_channel_parts_steel_from_water_of_the_same_darkness() -> None:
    seen = standardised(scan_of(*raw(noise=20, steel_cm=6.0, water_cm=40.0)), profile(rendering="cargo material"))
    steel, water = (np.median(seen.images[0][part][..., 2]) for part in (UPPER, LOWER))
    assert water > 180 and steel < 100


def test_bands_of_rows_leave_no_seam() -> None:
    tall = [np.tile(page, (6, 1)) for page in raw(noise=0)]
    image = standardised(scan_of(*tall), profile(rendering="cargo material")).images[0]
    # 120 rows repeat; the borders between bands of 256 fall elsewhere in each repetition.
    assert np.array_equal(image[130:230], image[250:350]) and np.array_equal(image[250:350], image[490:590])


def test_faulty_lines_are_mended_told_and_too_many_refused() -> None:
    pages = raw()
    for page in pages:
        page[[8, 70]] = 0
        page[:, 200] = 0
    seen = standardised(scan_of(*pages), profile())
    assert seen.notes == ("2 faulty detector lines mended", "1 lost moment of the belt mended")
    assert not seen.doubts
    for page in pages:
        page[30:36] = 65_535
    assert "6 faulty detector lines lie side by side" in standardised(scan_of(*pages), profile()).doubts[0]
    for page in pages:
        page[::3] = 0
        page[1::9] = 0
    with pytest.raises(ScanWithoutContent, match="more than a third"):
        standardised(scan_of(*pages), profile())


def test_a_saturated_scan_is_doubted_whatever_air_the_profile_gives() -> None:
    bright = np.clip(stored(high_and_low()[0]).astype(float) * 1.4, 0, 65_535).astype(np.uint16)
    for changes in ({}, {"air_columns": None}, {"air_columns": None, "air_value": 65_535}):
        assert "saturated" in standardised(scan_of(bright), single(**changes)).doubts[0]


def test_a_dark_level_that_is_not_dark_is_doubted() -> None:
    """Twelve bits turned round from sixteen: all of it lies in the top sixteenth, and would look like thin cloth."""
    pale = (61_440 + (raw()[0] >> 4)).astype(np.uint16)
    assert "nothing lets less than" in standardised(scan_of(pale), single(calibration={"dark": 0})).doubts[0]


def test_a_scan_clipped_below_full_scale_is_saturated_as_well() -> None:
    clipped = np.minimum(stored(high_and_low()[0], noise=60), 40_000)
    assert "saturated" in standardised(scan_of(clipped), single()).doubts[0]
    assert not standardised(scan_of(stored(high_and_low()[0], noise=60)), single()).doubts


def test_rows_and_moments_that_fail_are_added_up() -> None:
    page = stored(high_and_low()[0], noise=60)
    page[::4] = 0
    page[:, 50::6] = 0
    with pytest.raises(ScanWithoutContent, match="30 of 120 detector lines and 59 of 400 moments"):
        standardised(scan_of(page), single())


def test_what_the_network_is_given_black_counts_as_opaque() -> None:
    """14 cm of steel let 0.9 % through: two levels of 255, and more than the detector needs to see."""
    steel = stored(high_and_low(steel_cm=14.0)[0], noise=20)
    assert standardised(scan_of(steel), single()).opaque == pytest.approx(0.4, abs=0.02)
    assert standardised(scan_of(steel), single(rendering="cargo")).opaque < 0.01


def test_a_missing_dark_level_is_noticed_where_nothing_comes_through() -> None:
    steel = stored(high_and_low(steel_cm=60.0)[0], noise=60)
    told = standardised(scan_of(steel), single(calibration={"dark": 0})).doubts
    assert any("one dark level: opaque, or `dark` is missing" in one for one in told)
    assert not standardised(scan_of(steel), single()).doubts


def test_the_resolution_of_the_stored_levels_is_known() -> None:
    (found,) = exposures(scan_of(stored(high_and_low()[0], noise=60)), single())
    assert found.resolution == pytest.approx(1.5 / (AIR - DARK), rel=0.01)


def test_air_that_was_guessed_is_told() -> None:
    scan = scan_of(stored(high_and_low()[0], noise=60))
    assert "guessed from the scan: 52" in standardised(scan, single(air_columns=None)).notes[0]
    assert not standardised(scan, single()).notes
    assert not standardised(scan, single(air_columns=None, air_value=AIR)).notes


def test_another_scanners_level_of_air_is_noticed() -> None:
    scan = scan_of(stored(high_and_low()[0], noise=60))
    with pytest.raises(ProfileMismatch, match=r"air lets 11.% through"):
        standardised(scan, single(air_columns=None, air_value=0.85 * AIR))
    told = standardised(scan, single(air_columns=None, air_value=1.25 * AIR)).doubts
    assert any("no air in the scan, or the wrong air value" in one for one in told)


def test_an_item_in_the_air_columns_of_some_rows_is_noticed() -> None:
    part = high_and_low()[0]
    part[60:70, :60] *= 0.7
    with pytest.raises(ProfileMismatch, match="not empty in some rows"):
        standardised(scan_of(stored(part, gains(), 60)), single())


# Does not fit


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"energies": ("low", "high")}, "the energies are swapped"),
        ({"energies": ("high",)}, "the scan has 2 page(s)"),
        ({"views": 2}, "the scan has 2 page(s)"),
        ({"bits_stored": 14}, "14 bits"),
        ({"width": 401}, "the width is 400 pixels"),
        ({"height": 121}, "the height is 120 pixels"),
        ({"polarity": "air dark", "bits_stored": 16}, ""),
        ({"polarity": "air dark", "bits_stored": 16, "air_columns": None}, ""),
        ({"polarity": "air dark", "bits_stored": 16, "air_columns": None, "air_value": AIR}, ""),
        ({"air_columns": (90, 150)}, "not empty"),
        ({"air_columns": None, "air_value": 12_000}, "brighter than air"),
    ],
)
def test_a_profile_of_another_scanner_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises((ProfileMismatch, ScanWithoutContent)) as refused:
        standardised(scan_of(*raw()), profile(**changes))
    assert told in refused.value.what and refused.value.remedy


def test_pages_of_different_size_one_page_twice_and_colour() -> None:
    high, low = raw()
    for pages, told in (((high, low[:-1]), "differ in size"), ((high, high), "do not differ")):
        with pytest.raises(ProfileMismatch, match=told):
            standardised(scan_of(*pages), profile())
    with pytest.raises(ProfileMismatch, match="holds no transmission"):
        standardised(scan_of(np.dstack([high, high, high])), single())
    with pytest.raises(ProfileMismatch, match="do not part"):
        standardised(scan_of(np.hstack([high, low])[:, :-1]), profile(arrangement="side by side"))
    with pytest.raises(ProfileMismatch, match="no planes"):
        standardised(scan_of(high), profile(arrangement="planes"))


def test_one_page_twice_is_noticed_however_thin_the_cargo_is() -> None:
    high, low = raw(steel_cm=0.3, water_cm=2.0)
    standardised(scan_of(high, low), profile())
    with pytest.raises(ProfileMismatch, match="the same page"):
        standardised(scan_of(high, high), profile())


def test_eight_bits_are_not_turned_round_from_twelve() -> None:
    page = np.full((60, 80), 20, np.uint8)
    page[20:40, 20:60] = 200
    dark_air = ScannerProfile(name="gate", polarity="air dark", bits_stored=12)
    with pytest.raises(ProfileMismatch, match=r"a page of 8 bits.* of 12 bits round"):
        standardised(scan_of(page), dark_air)
    for pages in ([page, page.astype(np.uint16) * 16], [page.astype(np.uint16) * 16, page]):
        with pytest.raises(ProfileMismatch, match="differ in depth"):
            probe_scans([scan_of(*pages)])


def test_a_dark_scan_is_never_seen_through() -> None:
    with pytest.raises(RoentgateError):
        standardised(scan_of(np.full((100, 300), DARK, np.uint16)), single())


# Without a profile nothing changed: the shipped weights were trained on these very pictures. JPEG is left out, which
# decoders may round differently.

DIGESTS = {
    "bag_gun_16bit.tif": "d37669dbd277b79c",
    "bag_knife_two_views.tif": "e6bd90286ea47fb9",
    "container_gun_and_wrench.png": "72a782847fa83de0",
}


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_without_a_profile_the_view_is_bit_identical(name: str) -> None:
    scan = read_scan((EXAMPLES / name).read_bytes(), name)
    seen = standardised(scan, None)
    assert all(np.array_equal(image, render(view)) for image, view in zip(seen.images, scan.views, strict=True))
    assert hashlib.sha256(b"".join(image.tobytes() for image in seen.images)).hexdigest()[:16] == DIGESTS[name]


# Through the detector


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = make_spec(tile_pixels=1000, renderings=("stored", "grey"))
    return probe_onnx(tmp_path_factory.mktemp("weights") / "probe.onnx", spec)


def test_the_profile_chooses_weights_and_changes_the_fingerprint(weights: Path) -> None:
    by_profile = Detector(scanner=profile(weights=str(weights)))
    plain = Detector(weights)
    assert by_profile.weights.label == plain.weights.label
    assert len({by_profile.fingerprint(), plain.fingerprint(), Detector(weights, scanner=profile()).fingerprint()}) == 3


def test_a_rendering_that_the_weights_never_saw_is_not_cleared(weights: Path, tmp_path: Path) -> None:
    scan = scan_of(stored(high_and_low(steel_cm=3.0, water_cm=5.0)[0], noise=60))
    assert Detector(weights, scanner=single()).inspect(scan).decision is Decision.CLEAR
    shipped = probe_onnx(tmp_path / "shipped.onnx", make_spec(tile_pixels=1000))
    inspection = Detector(shipped, scanner=single()).inspect(scan)
    assert inspection.decision is Decision.REFER
    assert inspection.reasons[0] == "the weights shipped were not trained on 'grey' scans but on 'stored'"
    cargo = probe_onnx(tmp_path / "cargo.onnx", make_spec(tile_pixels=1000, renderings=("cargo",)))
    assert any("not trained on 'windowed' scans" in reason for reason in Detector(cargo).inspect(scan).reasons)


def test_noise_that_is_stored_without_a_profile_is_not_cleared(weights: Path) -> None:
    counts = np.random.default_rng(0).poisson(5 * high_and_low(steel_cm=3.0, water_cm=5.0)[0])
    inspection = Detector(weights).inspect(scan_of((9 * counts + DARK).astype(np.uint16)))
    assert inspection.decision is not Decision.CLEAR
    assert any(reason.startswith("starved: noise of") for reason in inspection.reasons)


def test_opaque_cargo_is_told_and_referred_by_policy(weights: Path) -> None:
    high = stored(high_and_low(steel_cm=60.0, water_cm=2.0)[0], noise=60)
    scan = scan_of(high)
    referred = Detector(weights, scanner=single()).inspect(scan)
    assert referred.decision is Decision.REFER
    assert referred.reasons == ("opaque: 40% of the cargo area, the policy allows 10%",)
    cleared = Detector(weights, scanner=single(), policy=Policy(refer_opaque_share=0.5)).inspect(scan)
    assert cleared.decision is Decision.CLEAR and cleared.reasons[1] == "opaque: 40% of the cargo area"


def coloured(height: int, width: int, black: tuple[slice, slice]) -> Scan:
    """Cargo of one colour within air, a part of it black."""
    page = np.full((height, width, 3), 255, np.uint8)
    page[20:-20, 20:-20] = (240, 170, 90)
    page[black] = 0
    return Scan((page,), "truck.png", "0" * 64)


@pytest.mark.parametrize("belt", ["x", "y"])
def test_a_black_metre_of_a_colour_export_is_referred_where_the_pitch_is_known(weights: Path, belt: str) -> None:
    """Of 3 m by 5 m and more, so that it is no large share; pixels twice as long along one axis."""
    along, across = slice(60, 60 + 510), slice(200, 200 + 255)
    black, size = ((across, along), (1000, 2400)) if belt == "x" else ((along, across), (2400, 1000))
    scan = coloured(*size, black)
    told = {"name": "gate", "rendering": "stored", "belt": belt}
    pitch = [2.0, 4.0] if belt == "x" else [4.0, 2.0]
    assert Detector(weights, scanner=ScannerProfile.model_validate(told)).inspect(scan).decision is Decision.CLEAR
    known = ScannerProfile.model_validate(told | {"pixel_pitch_mm": pitch})
    inspection = Detector(weights, scanner=known).inspect(scan)
    assert inspection.decision is Decision.REFER
    assert re.match(r"opaque: nothing is seen behind a square of 10[012]\d mm", inspection.reasons[0])
    lenient = Detector(weights, scanner=known, policy=Policy(refer_opaque_mm=1100))
    assert lenient.inspect(scan).decision is Decision.CLEAR


def test_a_black_square_is_measured_through_a_pixel_of_noise_and_not_through_a_gap() -> None:
    image = coloured(400, 900, (slice(60, 264), slice(200, 404))).views[0]
    assert black_square_mm(image, (5.0, 5.0)) == pytest.approx(1020, abs=10)
    assert black_square_mm(image, (1.5, 1.5)) == pytest.approx(306, abs=10)
    assert black_square_mm(np.full((400, 900, 3), 90, np.uint8), (1.5, 1.5)) == 0
    image[160, 300] = 20
    assert black_square_mm(image, (1.5, 1.5)) == pytest.approx(306, abs=10)
    image[:, 300:308] = 90
    assert black_square_mm(image, (1.5, 1.5)) < 170


def test_the_network_is_shown_a_colour_export_along_its_belt(tmp_path: Path) -> None:
    weights = probe_onnx(tmp_path / "probe.onnx", make_spec(tile_pixels=1000))
    scan = coloured(300, 200, (slice(120, 180), slice(120, 170)))
    turned = Detector(weights, scanner=ScannerProfile(name="gate", rendering="stored", belt="y"))
    prepared = turned.prepare(scan, "truck.png")
    assert isinstance(prepared, PreparedScan)
    assert (prepared.tiles[0].tile.width, prepared.tiles[0].tile.height) == (300, 200)
    # The probe's box is the middle half of its square, of which the turned view fills the upper part.
    (found,) = turned.inspect(scan).detections
    assert found.box_xyxy == pytest.approx((75, 75, 200, 225), abs=1)


def test_a_mismatch_refers_with_its_name_and_remedy(weights: Path) -> None:
    inspection = Detector(weights, scanner=profile(energies=("low", "high"))).inspect(scan_of(*raw()))
    assert inspection.decision is Decision.REFER
    assert inspection.reasons[0].startswith("ProfileMismatch: the energies are swapped")
    assert "energies" in inspection.reasons[0].partition("; ")[2]


def test_the_profile_beside_a_raw_array_is_used_and_part_of_its_digest(tmp_path: Path, weights: Path) -> None:
    np.save(tmp_path / "truck.npy", np.stack(raw()))
    plain = Detector(weights).inspect(tmp_path / "truck.npy")
    assert len(plain.view_sizes) == 2
    (tmp_path / "truck.toml").write_text(
        f'name = "a"\nenergies = ["high", "low"]\nair_columns = [0, 40]\n[calibration]\ndark = {DARK}\n'
    )
    beside = Detector(weights).inspect(tmp_path / "truck.npy")
    assert beside.view_sizes == ((400, HEIGHT),) and beside.sha256 != plain.sha256
    (tmp_path / "truck.npy.toml").write_text('name = "a"\nweights = "cargo-n"\n')
    other = Detector(weights).inspect(tmp_path / "truck.npy")
    assert other.decision is Decision.REFER and "asks for the weights cargo-n" in other.reasons[0]
    (tmp_path / "truck.npy.toml").write_text('nam = "a"\n')
    assert "SettingsInvalid" in Detector(weights).inspect(tmp_path / "truck.npy").reasons[0]


def test_a_thumbnail_is_not_cleared(weights: Path) -> None:
    small = np.full((100, 120, 3), 255, np.uint8)
    small[20:40, 20:60] = 120
    inspection = Detector(weights).inspect(Scan((small,), "t.png", "0" * 64))
    assert inspection.decision is Decision.REFER and "120 x 100 pixels" in inspection.reasons[0]


# Probe


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("polarity", ["air bright", "air dark"])
def test_the_probe_finds_what_a_picture_shows(swapped: bool, polarity: str) -> None:
    pages = [page >> 4 for page in raw()][:: -1 if swapped else 1]
    pages = [page if polarity == "air bright" else 4095 - page for page in pages]
    guess = probe_scans([scan_of(*pages)], "gate 3")
    found = guess.profile
    assert found.energies == (("low", "high") if swapped else ("high", "low"))
    assert (found.polarity, found.bits_stored, found.belt) == (polarity, 12, "x")
    assert found.air_columns is not None
    first, end = found.air_columns
    assert (first == 0 and 40 <= end <= 98) or (end == 0 and -60 <= first <= -40)
    assert parse_profile(guess.toml, "guess") == found
    assert not isinstance(guess.seen[0], RoentgateError)


def stripes(scale: float) -> list[np.ndarray]:
    """Two energies of a scan without air along any side, each with an air level of its own."""
    rows, columns = np.mgrid[:160, :300]
    covered = (rows + columns) % 40 < 10
    noise = np.random.default_rng(2)
    return [
        np.rint(scale * air * np.where(covered, through, 1) + noise.normal(0, 60, covered.shape)).astype(np.uint16)
        for air, through in ((50_000, 0.5), (30_000, 0.4))
    ]


def test_the_probe_gives_each_energy_its_own_air() -> None:
    guess = probe_scans([scan_of(*stripes(scale)) for scale in (1.0, 0.98, 1.02)])
    assert guess.profile.air_value == pytest.approx({"high": 50_000, "low": 30_000}, rel=0.005)
    assert "air_value = { high = 50" in guess.toml and parse_profile(guess.toml, "guess") == guess.profile
    assert not any(isinstance(seen, RoentgateError) for seen in guess.seen)


def test_a_file_that_cannot_be_read_is_a_wrong_call_of_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "truck.npy").write_bytes(b"no array")
    monkeypatch.setattr("sys.argv", ["roentgate", "scanner", "probe", str(tmp_path / "truck.npy")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


def test_the_probe_passes_colour_on_and_refuses_a_mixture() -> None:
    scan = read_scan(cv2.imencode(".png", np.full((200, 300, 3), 200, np.uint8))[1].tobytes(), "bag.png")
    assert probe_scans([scan]).profile.rendering == "stored"
    with pytest.raises(ProfileMismatch, match="not of one scanner"):
        probe_scans([scan, scan_of(*raw())])
