"""From a run's checkpoint to one ONNX file that a station can use without knowing where it came from."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from detector.errors import SettingsInvalid
from detector.weights_spec import BOXES_NAME, INPUT_NAME, METADATA_KEY, SCORES_NAME, WeightsSpec
from training.datasets.splits import TRAIN
from training.datasets.terms import donor_sources, joined_terms, stated_terms
from training.files.checkpoints import CLASS_NAMES, LAST, odd_tensors, read_checkpoint
from training.models.interface import DetectionNetwork
from training.models.table import build
from training.recipe import Recipe

OPSET = 18
#: Chosen on validation among 0.5 to 0.7 (AP50 .521 to .499, AP .255 to .258); items in a bag seldom overlap more.
MERGE_IOU = 0.55


class ExportedGraph(nn.Module):
    """The network behind the station's input: uint8 RGB squares, height x width x channel."""

    def __init__(self, network: DetectionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, scans: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S, S, 3) uint8 -> boxes (N, Q, 4) in pixels of the square, scores (N, Q, C)."""
        candidates = self.network(scans.permute(0, 3, 1, 2).float())
        return candidates.boxes_xyxy, candidates.scores


@dataclass(frozen=True)
class Ancestor:
    """A training that another one's start came out of. learned: source -> terms. left_out: as in its recipe."""

    learned: dict[str, str]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """A finished or running training, as its folder tells.

    data: the folder it was trained on, as it was named then. emphasis, annotations, validation: digests of the recipe's
    file of that name and of the annotations of train and val, or "". pretrained: names of the parameters that the start
    filled; None where an earlier version did not keep them. ancestors: what the start had learned from. donors: sources
    of which items alone were learned, in scans of others; None where an earlier version did not keep them. stated:
    source -> terms, as the folder stated them; empty where an earlier version did not keep them.
    """

    recipe: Recipe
    class_names: tuple[str, ...]
    start: str
    data: str
    sources: dict[str, int]
    emphasis: str = ""
    annotations: str = ""
    validation: str = ""
    pretrained: frozenset[str] | None = None
    ancestors: tuple[Ancestor, ...] = ()
    donors: frozenset[str] | None = None
    stated: Mapping[str, str] = field(default_factory=dict)

    def whole_recipe(self) -> Recipe:
        """The recipe with the classes that were the data's, in their order."""
        return self.recipe.model_copy(update={"classes": self.class_names})

    def learned(self, data: Path) -> dict[str, int]:
        """Source -> scans of it; 0 where items alone were learned: as the run says, and as the folder says that it was
        trained on (`data`), which may be gone, or may have grown since."""
        donors = donor_sources(data, TRAIN) | (self.donors or frozenset())
        return dict.fromkeys(sorted(donors), 0) | self.sources

    def terms(self, data: Path) -> dict[str, str]:
        """Source -> terms, of what the start had learned from and of what the run learns from, as the run says and as
        the folder states them (`data`); both where they differ. Without sources of which nobody stated any."""
        return joined_terms([*(before.learned for before in self.ancestors), self.stated, stated_terms(data)])


def read_run(run: Path) -> Run:
    """What `fit` wrote beside its checkpoints. Raises SettingsInvalid when `run` is no run folder, or damaged."""
    path = run / "run.json"
    if not path.is_file():
        raise SettingsInvalid(f"{run} is no run folder: no run.json", remedy="give the --output of a fit")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        recipe, names = Recipe.model_validate(values["recipe"]), tuple(values["class_names"])
        if not (isinstance(values["start"], str) and isinstance(values["data"], str)):
            raise ValueError("start and data are no texts")
        return Run(
            recipe,
            names,
            values["start"],
            values["data"],
            sources={str(name): int(count) for name, count in values["sources"].items()},
            emphasis=str(values.get("emphasis", "")),
            annotations=str(values.get("annotations", "")),
            validation=str(values.get("validation", "")),
            pretrained=frozenset(values["pretrained"]) if "pretrained" in values else None,
            ancestors=tuple(
                Ancestor({str(name): str(said) for name, said in one["learned"].items()}, tuple(one["left_out"]))
                for one in values.get("ancestors", ())
            ),
            donors=frozenset(map(str, values["donors"])) if "donors" in values else None,
            stated={str(source): str(text) for source, text in values.get("terms", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsInvalid(f"{path} is damaged: {reason}", remedy="restore it, or begin in another folder") from None


def checkpoint_path(run: Path, checkpoint: str) -> Path:
    """The file of that name in the run's checkpoints. Raises SettingsInvalid if it is not there."""
    path = run / "checkpoints" / f"{checkpoint}.ckpt"
    if not path.is_file():
        # A run without validation has no best.
        last = (path.parent / LAST).is_file()
        remedy = "give --checkpoint last, which is there" if last else "let fit reach its first validation"
        raise SettingsInvalid(f"no checkpoint {path}", remedy=remedy)
    return path


def load_checkpoint(run: Path, checkpoint: str) -> DetectionNetwork:
    """The averaged network of `run/checkpoints/<checkpoint>.ckpt`, in evaluation mode.

    Raises SettingsInvalid if it is not there, or has learned other classes than the folder says.
    """
    path, described = checkpoint_path(run, checkpoint), read_run(run)
    network = build(described.recipe.model, described.class_names)
    # The averaging callback stores the averaged weights as the checkpoint's own, the raw ones beside them.
    saved = read_checkpoint(path)
    remedy = "restore the run.json of that training, or train anew"
    # Checkpoints of earlier versions do not say them.
    learned = saved.get(CLASS_NAMES, list(described.class_names))
    if learned != list(described.class_names):
        raise SettingsInvalid(f"{path} has learned {learned}; run.json beside it says otherwise", remedy=remedy)
    state = {key.removeprefix("network."): value for key, value in saved["state_dict"].items()}
    if odd := odd_tensors(network.state_dict(), state):
        raise SettingsInvalid(f"{path} is no {described.recipe.model}: {odd}", remedy=remedy)
    network.load_state_dict(state)
    return network.eval()


def unchosen_spec(recipe: Recipe, class_names: tuple[str, ...], input_size: int = 0) -> WeightsSpec:
    """The description of a network whose thresholds have not been chosen yet.

    input_size: 0 takes the recipe's. Where the network knows one scale, its tiles grow and shrink with it.
    """
    size = input_size or recipe.input_size
    tile_pixels = recipe.tile_pixels
    if recipe.pixel_pitch_mm:
        tile_pixels = round(tile_pixels * size / recipe.input_size)
    return WeightsSpec(
        name="unnamed",
        family=recipe.model,
        class_names=class_names,
        input_size=size,
        renderings=recipe.renderings,
        tile_pixels=tile_pixels,
        pixel_pitch_mm=recipe.pixel_pitch_mm or None,
        passes=recipe.passes,
        never_clear=recipe.never_clear,
        left_out=recipe.leave_out,
        merge_iou=MERGE_IOU,
        pretrained="not stated",
        training_data=(),
        terms="not stated",
        **no_alarm_scores(class_names),
    )


def no_alarm_scores(class_names: tuple[str, ...]) -> dict[str, Any]:
    """What a description says while nobody has chosen alarm scores."""
    return {
        "thresholds": dict.fromkeys(class_names, 0.3),
        "operating_point": "none chosen: 0.30 for every class",
        "calibration": {},
        "chosen_on": "",
        "chosen_on_files": "",
        "unchosen": (),
    }


def export_network(network: DetectionNetwork, spec: WeightsSpec, path: Path) -> None:
    """Writes `network` as ONNX with `spec` inside. Scaling and channel order are in the graph; the batch is free."""
    # A copy: the network may be in the middle of a training, on another device and in another precision.
    graph = ExportedGraph(copy.deepcopy(network)).eval().float().cpu()
    example = torch.zeros(2, spec.input_size, spec.input_size, 3, dtype=torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without autocast: a validation in the middle of a mixed-precision training would trace bfloat16 into the graph.
    with warnings.catch_warnings(), torch.no_grad(), torch.autocast("cpu", enabled=False):
        # dynamo=False is deliberate: the newer exporter fails on D-FINE. Its notes on traced shapes are about sizes
        # that are fixed here on purpose; the parity gate proves the file either way.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[BOXES_NAME, SCORES_NAME],
            dynamic_axes={name: {0: "batch"} for name in (INPUT_NAME, BOXES_NAME, SCORES_NAME)},
        )
    write_spec(path, spec)


def write_spec(path: Path, spec: WeightsSpec) -> None:
    """Puts `spec` into the ONNX file, replacing what was there, and checks the whole file."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.helper.set_model_props(
        model,
        {
            METADATA_KEY: spec.model_dump_json(),
            # Plain keys that other tools know.
            "names": json.dumps(dict(enumerate(spec.class_names))),
            "imgsz": json.dumps([spec.input_size, spec.input_size]),
        },
    )
    temporary = path.with_suffix(".partial")
    onnx.save(model, temporary)
    temporary.replace(path)
