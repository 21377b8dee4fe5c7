"""Composed tiles look as the station's own, hide what can be seen, and add no noise but the photons'."""

from __future__ import annotations

import numpy as np
import pytest

from detector.normalisation.standardise import standardised
from detector.scanner_profile import parse_profile
from detector.tiling import Tile
from training.cargo import composed_tiles
from training.cargo.composed_tiles import (
    DEEPEST_MM,
    LEAST_EDGE_CONTRAST,
    THREATS_EACH,
    Backdrop,
    _drawn,
    _thinned,
    backdrop,
)
from training.cargo.reading import as_scanned
from training.simulation.freight import THREATS, Family, simulate_freight
from training.simulation.freight.threats import NO_CUT_OUTS
from training.simulation.materials import CARGO_BEAM

COARSE_MM = 10.0


@pytest.fixture(scope="module")
def behind() -> Backdrop:
    return backdrop(simulate_freight(5, Family.TRAIN, (), energies=2, pitch_mm=COARSE_MM))


@pytest.mark.parametrize("energies", [1, 2])
def test_a_tile_that_hides_nothing_is_drawn_as_the_station_draws_its_scan(behind: Backdrop, energies: int) -> None:
    freight = simulate_freight(5, Family.TRAIN, (), energies, COARSE_MM)
    scan = as_scanned(freight)
    whole = standardised(scan, parse_profile(scan.profile, scan.source)).images[0]
    height, width = behind.exposure.high.shape
    tile = Tile(width // 2 - 50, max(0, height - 120), width // 2 + 50, height - 20)
    nothing = {mev: np.ones((tile.height, tile.width), np.float32) for mev in behind.taken}
    drawn = _drawn(behind, tile, nothing, energies, np.random.default_rng(0))
    apart = np.abs(drawn.astype(int) - whole[tile.y1 : tile.y2, tile.x1 : tile.x2])
    # Cells of the averages around a pixel lie elsewhere in a part than in the whole.
    assert np.ptp(drawn) > 100 and apart.max() <= 4 and apart.mean() < 0.3


def test_what_is_told_can_be_seen_and_lies_in_its_tile(behind: Backdrop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed_tiles, "PITCH_MM", COARSE_MM)
    monkeypatch.setattr(composed_tiles, "TILE", 128)
    monkeypatch.setattr(composed_tiles, "TILES", 12)
    tiles = list(composed_tiles.composed_tiles(behind, np.random.default_rng(2), NO_CUT_OUTS))
    again = list(composed_tiles.composed_tiles(behind, np.random.default_rng(2), NO_CUT_OUTS))
    assert all(np.array_equal(one, other) for (one, _), (other, _) in zip(tiles, again, strict=True))
    found = [item for _, items in tiles for item in items]
    assert {len(items) for _, items in tiles} >= {0} and max(len(items) for _, items in tiles) <= THREATS_EACH[1]
    assert len(found) > 5 and {item.class_name for item in found} <= set(THREATS)
    for item in found:
        assert (
            item.steel_mm <= DEEPEST_MM and item.edge_contrast is not None and item.edge_contrast >= LEAST_EDGE_CONTRAST
        )
        x1, y1, x2, y2 = item.box
        assert 0 <= x1 < x2 <= 128 and 0 <= y1 < y2 <= 128


def test_a_threat_takes_its_share_of_the_beam_in_its_box_alone(
    behind: Backdrop, monkeypatch: pytest.MonkeyPatch
) -> None:
    width = behind.exposure.high.shape[1]
    tile = Tile(width // 2 - 100, 0, width // 2 + 100, behind.exposure.high.shape[0])
    threats = composed_tiles._Threats(behind, tile, least=0.0)
    found = threats.hidden(4, np.random.default_rng(1), NO_CUT_OUTS)
    assert found
    outside = np.ones((tile.height, tile.width), bool)
    for x1, y1, x2, y2 in (item.box for item in found):
        # The detector blurs over a pixel.
        outside[max(0, int(y1) - 2) : int(y2) + 3, max(0, int(x1) - 2) : int(x2) + 3] = False
    through = threats.through()
    for mev, share in through.items():
        assert share[outside].min() > 0.99, mev
        assert share.max() <= 1 + 1e-6 and share.min() < 0.97
    # The low energy is attenuated more by whatever it is.
    assert through[CARGO_BEAM.low_mev].mean() < through[CARGO_BEAM.high_mev].mean()


def test_photons_come_through_with_the_chance_that_the_threat_gives() -> None:
    generator, photons, read_noise = np.random.default_rng(0), 400.0, 3.0
    counted = generator.poisson(photons * 0.05, (400, 400)) + generator.normal(0, read_noise, (400, 400))
    before = (counted / photons).astype(np.float32)
    share = np.full(before.shape, 0.3, np.float32)
    share[:, 200:] = 1
    after = _thinned(before, share, (photons, read_noise), generator)
    assert after[:, 200:] == pytest.approx(before[:, 200:], abs=1e-7)
    counts = after[:, :200] * photons
    # A Poisson count of which each photon comes through with a chance is a Poisson count again; the amplifier's noise
    # is the same whatever comes through.
    assert counts.mean() == pytest.approx(6, rel=0.02)
    assert counts.var() == pytest.approx(6 + read_noise**2, rel=0.03)
