"""Shipped weights at another input size, or averaged over mirror images, without the run that they came from.

>>> reexport("luggage", Path("large.onnx"), input_size=832, flips="both")        # doctest: +SKIP
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from detector.errors import SettingsInvalid
from detector.network import Network, Provider
from detector.weights import load_weights
from detector.weights_spec import Flips, WeightsSpec
from training.models.flip_average import averaged
from training.shipping.export import export_network, no_alarm_scores
from training.shipping.parity import Parity, require_parity, simulated_squares
from training.shipping.trainable import Trained, is_shipped


def reexport(name: str, output: Path, input_size: int, flips: Flips | None) -> tuple[WeightsSpec, Parity]:
    """Writes `output`, or raises and leaves no file there. input_size: 0, flips: None keep those of the shipped
    file.

    Alarm scores and calibration are of other scores, so the new file has none, and no station clears a scan by it until
    they are chosen. Raises SettingsInvalid for a name that is not shipped or a size that does not suit the network,
    ParityFailed when ONNX and torch differ on simulated scans.
    """
    if not is_shipped(name):
        raise SettingsInvalid(
            f"{name} is not the name of shipped weights",
            remedy="`roentgate weights list` has them; a run folder is for `export`",
        )
    shipped = load_weights(name).spec
    flips = flips or shipped.flips
    network = averaged(Trained.shipped(name).network, flips)
    size = input_size or shipped.input_size
    if size % network.stride:
        raise SettingsInvalid(f"--input-size {size} is no multiple of {network.stride}", remedy="give one that is")
    # Where the network knows one scale, its tiles grow and shrink with its square.
    tile_pixels = round(shipped.tile_pixels * size / shipped.input_size) if shipped.pixel_pitch_mm else None
    spec = WeightsSpec.model_validate(
        {
            **shipped.model_dump(),
            **no_alarm_scores(shipped.class_names),
            "name": output.stem,
            "input_size": size,
            "tile_pixels": tile_pixels or shipped.tile_pixels,
            "flips": flips,
            "metrics": {},
        }
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        draft = Path(folder) / "draft.onnx"
        export_network(network, spec, draft)
        parity = require_parity(network, Network(load_weights(draft), Provider.CPU), simulated_squares(size))
        draft.replace(output)
    return spec, parity
