"""Static INT8 quantisation of an exported network, and the gate that decides whether it is worth shipping.

    spec = quantise(Path("luggage.onnx"), Path("luggage_int8.onnx"), train, "xray-baggage/train")
    verdict = judge(Path("luggage.onnx"), Path("luggage_int8.onnx"), val)

Convolutions are quantised, and what carries their results to the next one: SiLU, sums, concatenation, pooling,
enlargement. With convolutions alone every SiLU between two of them is computed in float and both borders are converted,
which costs a depthwise network more than the convolutions gain. The last convolutions, which give class logits and
boxes, and all that follows them stay float: box decoding spans a range that 256 levels cannot hold (onnxruntime issue
14233). So do convolutions whose rounding alone, measured one by one, spoils what the last ones give: in a depthwise
network those of the first stages, where channels of very unlike ranges share one scale.

Activations are U8 and weights S8 per output channel, at the full range of 8 bits: right for CPUs that add such products
exactly (AVX-512 VNNI, AVX-VNNI, ARM dot product). On an x86 CPU without them sums of two products saturate at 16 bits:
let the gate run there before such a file is used there.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.calibrate import load_tensors_data
from onnxruntime.quantization.shape_inference import quant_pre_process

from detector.errors import SettingsInvalid
from detector.tile_squares import Look
from detector.weights import load_weights
from detector.weights_spec import INPUT_NAME, WeightsSpec
from training.datasets.coco_index import CocoIndex
from training.datasets.scanners import without_sources
from training.samples.tile_reader import read_tile
from training.shipping.export import write_spec

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

#: Operators that pass results of convolutions on and run on 8 bits without leaving them.
CARRIERS = ("Sigmoid", "Mul", "Add", "Concat", "MaxPool", "Resize")
#: Scans whose largest and smallest activations set the ranges; drawn evenly from the sources.
CALIBRATION_SCANS = 100
#: A convolution stays float if quantising it alone leaves less signal over noise, in decibels, at one of the last ones.
#: Of the 67 that every last one depends on in a YOLOX-Nano, 6 lie below, at 2 to 19 dB, all in its first stages.
LEAST_SIGNAL = 20.0
#: Scans that this is measured on: the noise is that of a hundred thousand values each.
PROBES = 3
#: What SiLU is given below this it turns into almost nothing (-0.003 at -8): no level of the 256 is spent on it.
#: Without the limit a YOLOX-Nano's last convolutions have 9 dB of signal over noise, with it 13 (n = 12 scans).
SILU_FLOOR = -8.0


def quantise(file: Path, output: Path, calibration: CocoIndex, source: str) -> WeightsSpec:
    """Writes `output`, the INT8 form of `file`, and returns what it says of itself.

    calibration: scans that set the activations' ranges, read through the station's own preprocessing; never those that
    judge the result, nor, whatever it holds, of sources that the network never saw. source: what these scans are
    called. Its measured figures are left out: they are another file's. Raises WeightsRejected for a file that is none
    of ours, SettingsInvalid for one that is quantised already or has nothing to quantise, for an `output` that is
    `file`, and for a calibration without scans.
    """
    if output.resolve() == file.resolve():
        raise SettingsInvalid(f"{output} is the float file itself", remedy="give --output another name")
    spec = load_weights(file).spec
    squares = calibration_squares(without_sources(calibration, spec.left_out), spec.look)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        prepared = Path(folder) / "prepared.onnx"
        _prepare(file, prepared)
        network = _Prepared(prepared, squares)
        stay_float = frozenset(name for name, signal in network.sensitivity().items() if signal < LEAST_SIGNAL)
        body = quantisable(network.graph, stay_float)
        draft = network.quantised(body, "draft.onnx")
        changed = _described(spec, network.graph, body, f"{len(squares)} scans of {source}")
        write_spec(draft, changed)
        draft.replace(output)
    return changed


def calibration_squares(index: CocoIndex, look: Look, seed: int = 0) -> list[UInt8]:
    """At most CALIBRATION_SCANS squares (S, S, 3) as the station would cut them, sources taking turns."""
    generator = np.random.default_rng(seed)
    by_source: dict[str, list[int]] = {}
    for number in generator.permutation(len(index)):
        by_source.setdefault(index.scans[number].source, []).append(int(number))
    turns = sorted((turn, name, number) for name, own in by_source.items() for turn, number in enumerate(own))
    chosen = [number for _, _, number in turns[:CALIBRATION_SCANS]]
    if not chosen:
        raise SettingsInvalid("no scans to calibrate on", remedy="name a split with scans")
    return [
        read_tile(index.scans[number], look, lambda tiles: tiles[int(generator.integers(len(tiles)))])[0]
        for number in chosen
    ]


def _prepare(file: Path, prepared: Path) -> None:
    """Constants folded, convolutions fused with what scales them, shapes inferred, every node named."""
    if any(node.op_type == "QuantizeLinear" for node in onnx.load(file).graph.node):
        raise SettingsInvalid(f"{file} is quantised already", remedy="give the float file")
    # Without the symbolic pass: it fails on the anchor grid's ranges, and no convolution needs it.
    quant_pre_process(str(file), str(prepared), skip_symbolic_shape=True)
    model = onnx.load(prepared)
    # The runtime's optimiser declares all domains that it knows; only the standard one is used.
    standard = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(standard)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    onnx.save(model, prepared)


def quantisable(graph: onnx.GraphProto, stay_float: frozenset[str] = frozenset()) -> list[str]:
    """Names of the nodes to quantise: convolutions that another one follows, and carriers fed by these alone.

    stay_float: names of convolutions to leave out. Raises SettingsInvalid when nothing remains.
    """
    followed = _followed_by_convolution(graph)
    names: list[str] = []
    given: set[str] = set()
    for node in graph.node:
        if node.op_type == "Conv":
            chosen = node.name not in stay_float and bool(followed & set(node.output))
        else:
            data = node.input[:1] if node.op_type == "Resize" else node.input
            chosen = node.op_type in CARRIERS and given.issuperset(data)
        if chosen:
            names.append(node.name)
            given.update(node.output)
    if not names:
        raise SettingsInvalid("the network has no convolution that can be quantised", remedy="keep the float file")
    return names


def _followed_by_convolution(graph: onnx.GraphProto) -> set[str]:
    """Tensors from which a convolution can be reached. The nodes of an ONNX graph stand in the order of their use."""
    reached: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or reached & set(node.output):
            reached.update(node.input)
    return reached


class _Squares(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, squares: Sequence[UInt8]) -> None:
        self._remaining: Iterator[UInt8] = iter(squares)

    def get_next(self) -> dict[str, UInt8] | None:
        square = next(self._remaining, None)
        return None if square is None else {INPUT_NAME: square[None]}


class _Prepared:
    """A prepared float file, its squares, and the ranges of its activations once they have been seen."""

    def __init__(self, path: Path, squares: Sequence[UInt8]) -> None:
        self._path, self._squares = path, squares
        self._ranges = path.with_name("ranges.json")
        self.graph = onnx.load(path).graph
        self._last = [
            node.output[0]
            for node in self.graph.node
            if node.op_type == "Conv" and not _followed_by_convolution(self.graph) & set(node.output)
        ]

    def quantised(self, nodes: list[str], name: str) -> Path:
        """The file with `nodes` quantised, beside the prepared one. The first call sees all squares."""
        if not self._ranges.is_file():
            # Ranges do not depend on what is quantised with them, so the first ones serve every later choice.
            self._write(quantisable(self.graph), name, {})
        return self._write(nodes, name, self._floors(set(nodes)))

    def _write(self, nodes: list[str], name: str, ranges: dict[str, list[dict[str, np.float32]]]) -> Path:
        target = self._path.with_name(name)
        # It advises preprocessing through the root logger even after it; what matters is done in _prepare.
        logging.getLogger().addFilter(_no_advice)
        try:
            quantize_static(
                str(self._path),
                str(target),
                _Squares(self._squares),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", *CARRIERS],
                nodes_to_quantize=nodes,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                calibration_cache_path=str(self._ranges),
                extra_options={"TensorQuantOverrides": ranges},
            )
        finally:
            logging.getLogger().removeFilter(_no_advice)
        return target

    def _floors(self, nodes: set[str]) -> dict[str, list[dict[str, np.float32]]]:
        """Ranges in place of those seen, for what goes into SiLU and nowhere else that matters."""
        seen, floors = load_tensors_data(self._ranges), {}
        for node in self.graph.node:
            if node.op_type == "Sigmoid" and node.name in nodes and node.input[0] in seen.keys():  # noqa: SIM118
                low, high = (float(np.ravel(limit)[0]) for limit in seen[node.input[0]].range_value)
                if low < SILU_FLOOR < high:
                    floors[node.input[0]] = [{"rmin": np.float32(SILU_FLOOR), "rmax": np.float32(high)}]
        return floors

    def sensitivity(self) -> dict[str, float]:
        """Convolution -> decibels of signal over noise at the last convolution that suffers most, if it alone is
        quantised."""
        exact = self._last_outputs(self._path)
        kinds = {node.name: node.op_type for node in self.graph.node}
        names = [name for name in quantisable(self.graph) if kinds[name] == "Conv"]
        return {
            name: _signal_to_noise(exact, self._last_outputs(self.quantised([name], "probe.onnx"))) for name in names
        }

    def _last_outputs(self, file: Path) -> list[list[Float32]]:
        """What each of the last convolutions gives for each of PROBES squares."""
        model = onnx.load(file)
        model.graph.output.extend(onnx.helper.make_tensor_value_info(name, 1, None) for name in self._last)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        runs = [session.run(self._last, {INPUT_NAME: square[None]}) for square in self._squares[:PROBES]]
        return [list(outputs) for outputs in zip(*runs, strict=True)]


def _signal_to_noise(exact: list[list[Float32]], changed: list[list[Float32]]) -> float:
    """Decibels; signal is how an output varies over places and scans, not its mean. Infinite without any noise."""
    ratios = []
    for before, after in zip(map(np.concatenate, exact), map(np.concatenate, changed), strict=True):
        signal = np.square(before - before.mean(axis=(0, 2, 3), keepdims=True)).mean()
        noise = np.square(before - after).mean()
        ratios.append(10 * np.log10(signal / noise) if signal > 0 and noise > 0 else np.inf)
    return float(min(ratios))


def _no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()


def _described(spec: WeightsSpec, graph: onnx.GraphProto, body: list[str], calibrated_on: str) -> WeightsSpec:
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    share = f"{len(set(convolutions) & set(body))} of {len(convolutions)} convolutions"
    note = f"quantised to INT8 (onnxruntime {onnxruntime.__version__}, {share}, calibrated on {calibrated_on})"
    return WeightsSpec.model_validate(
        {
            **spec.model_dump(),
            "name": f"{spec.name}-int8",
            "precision": "int8",
            "pretrained": f"{spec.pretrained}; {note}",
            "operating_point": f"{spec.operating_point} (chosen with the float file)",
            "metrics": {},
        }
    )
