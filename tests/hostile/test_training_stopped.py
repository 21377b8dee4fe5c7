"""A run that is killed, damaged, out of room or out of memory: it goes on to the same end, or says why it cannot."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from detector.errors import SettingsInvalid
from tests.hostile.training_runs import (
    LIGHTNING_ADVICE,
    one_line,
    recipe,
    require_same_end,
    state_of,
    train_on,
)
from training.datasets.coco_index import read_coco
from training.files import checkpoints
from training.files.checkpoints import LAST, PREVIOUS, SET_ASIDE, NotSaved, WholeCheckpoints, read_checkpoint
from training.fitting import fit as fit_module
from training.fitting.batch_memory import BatchTooLarge
from training.fitting.fit import fit
from training.fitting.module import Diverged
from training.models.yolox import Yolox
from training.samples.training_data import TrainingData
from training.simulation import simulate_dataset

pytestmark = pytest.mark.filterwarnings(*LIGHTNING_ADVICE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=8, seed=1)
    return folder


@pytest.fixture(autouse=True)
def every_step_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.fitting.trainer.LOG_EVERY", 1)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("training.fitting.trainer.LOG_EVERY", 1)
        train_on(data, folder)
    return folder


@pytest.fixture
def stopped(data: Path, tmp_path: Path, whole: Path) -> Path:
    """A run that was stopped after 4 of 6 steps, so that it holds LAST (step 4) and PREVIOUS (step 2)."""
    run = tmp_path / "stopped"
    train_on(data, run, stop_after=4)
    return run


# --- stopping and going on ---

_KILLED_WHILE_SAVING = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from training.files import checkpoints
from training.fitting import trainer
from tests.hostile.training_runs import train_on
trainer.LOG_EVERY = 1
write, saves = checkpoints.write_forced, []
def half(path, content):
    saves.append(path)
    if len(saves) == 3:
        write(path, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, content)
checkpoints.write_forced = half
train_on(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_run_killed_while_saving_goes_on_to_the_same_weights_and_curve(
    data: Path, tmp_path: Path, whole: Path
) -> None:
    run = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", _KILLED_WHILE_SAVING, str(data), str(run)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert read_checkpoint(run / "checkpoints" / LAST)["global_step"] == 4
    assert read_checkpoint(run / "checkpoints" / PREVIOUS)["global_step"] == 2
    train_on(data, run, resume=True)
    require_same_end(run, whole)
    assert {path.name for path in (run / "checkpoints").iterdir()} == {LAST, PREVIOUS}


@pytest.mark.parametrize("moment", ["replace", "between"])
def test_a_save_cut_off_anywhere_leaves_a_checkpoint(
    moment: str, stopped: Path, data: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped / "checkpoints"
    if moment == "between":
        # Killed between the two renames: LAST is not there, PREVIOUS is what LAST was.
        (folder / LAST).replace(folder / PREVIOUS)
    else:
        (folder / f".{LAST}.partial").write_bytes(b"half a checkpoint")
    train_on(data, stopped, resume=True)
    require_same_end(stopped, whole)


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _other_network(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"] = {"encoder.weight": torch.zeros(3)}
    torch.save(checkpoint, path)


def _other_shape(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    name = next(name for name in checkpoint["state_dict"] if name.endswith("cls_preds.0.weight"))
    checkpoint["state_dict"][name] = torch.zeros(3, 64, 1, 1)
    torch.save(checkpoint, path)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (_cut, "damaged"),
    "a bit flipped": (_flip, "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "plain weights": (lambda path: torch.save({"model": {"w": torch.zeros(1)}}, path), "no checkpoint of a run"),
    "another network's": (_other_network, "another network"),
    "other classes'": (_other_shape, "another network"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_unusable_last_checkpoint_is_set_aside_and_the_one_before_is_taken(
    damage: str, stopped: Path, data: Path, whole: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, message = DAMAGES[damage]
    make(stopped / "checkpoints" / LAST)
    train_on(data, stopped, resume=True)
    (line,) = [record.getMessage() for record in caplog.records if record.name == fit_module.__name__]
    assert message in line and "going on from step 2" in line and "\n" not in line
    assert (stopped / "checkpoints" / SET_ASIDE).is_file()
    require_same_end(stopped, whole)


def test_two_unusable_checkpoints_are_one_line_and_are_left_as_they_are(stopped: Path, data: Path) -> None:
    folder = stopped / "checkpoints"
    for name in (LAST, PREVIOUS):
        _cut(folder / name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SettingsInvalid, match=r"damaged.*damaged") as caught:
        train_on(data, stopped, resume=True)
    assert "\n" not in caught.value.what and caught.value.remedy
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_line_torn_in_the_log_is_mended_and_steps_are_not_told_twice(stopped: Path, data: Path, whole: Path) -> None:
    with (stopped / "metrics.jsonl").open("ab") as file:
        # Two steps after the checkpoint, and the line in which the machine went down.
        file.write(b'{"step": 4, "loss/total": 1.0}\n\xff\xfe\n[3]\n{"step": 5, "loss/to')
    train_on(data, stopped, resume=True)
    require_same_end(stopped, whole)


def test_a_damaged_description_of_the_run_is_one_line(stopped: Path, data: Path) -> None:
    for content in ('{"recipe": {"mod', "[]", "{}"):
        (stopped / "run.json").write_text(content)
        with pytest.raises(SettingsInvalid, match=r"run\.json is damaged") as caught:
            train_on(data, stopped, resume=True)
        one_line(caught.value)


def test_a_run_does_not_go_on_with_other_classes(stopped: Path, data: Path) -> None:
    fewer = read_coco(data, "train", ("gun", "knife"))
    with pytest.raises(SettingsInvalid, match="knows the classes") as caught:
        fit(TrainingData("d", fewer, None), recipe(), stopped, resume=True)
    assert caught.value.remedy


# --- disk and memory ---


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_while_saving_leaves_the_last_good_checkpoint(
    stopped: Path, data: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in (stopped / "checkpoints").iterdir()}

    def half(path: Path, content: memoryview) -> None:
        path.write_bytes(content[:1000])
        _full()

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write_forced", half)
        with pytest.raises(NotSaved, match=r"last\.ckpt .* MB\): No space left") as caught:
            train_on(data, stopped, resume=True)
    one_line(caught.value)
    assert {path.name: path.read_bytes() for path in (stopped / "checkpoints").iterdir()} == before
    train_on(data, stopped, resume=True)
    require_same_end(stopped, whole)


def test_a_full_disk_while_logging_is_one_line(
    stopped: Path, data: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("training.fitting.metrics_log.JsonLinesLogger.log_metrics", _full)
        with pytest.raises(NotSaved, match="No space left") as caught:
            train_on(data, stopped, resume=True)
    one_line(caught.value)
    train_on(data, stopped, resume=True)
    require_same_end(stopped, whole)


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    storage, path = WholeCheckpoints(), tmp_path / LAST
    for step in range(3):
        storage.save_checkpoint({"step": step}, path)
    assert torch.load(path, weights_only=True) == {"step": 2}
    assert torch.load(tmp_path / PREVIOUS, weights_only=True) == {"step": 1}
    storage.remove_checkpoint(path)
    storage.remove_checkpoint(path)
    assert not path.exists()


def _needs_memory(most: int) -> Callable[..., dict[str, torch.Tensor]]:
    losses = Yolox.losses

    def limited(self: Yolox, images: torch.Tensor, targets: list[Any]) -> dict[str, torch.Tensor]:
        if len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0 has ...")
        return losses(self, images, targets)

    return limited


@pytest.mark.parametrize(("most", "message"), [(2, "batches of 2 fit"), (0, "not even 1 scan fits")])
def test_a_gpu_out_of_memory_says_which_batch_fits(
    most: int, message: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Yolox, "losses", _needs_memory(most))
    with pytest.raises(BatchTooLarge, match=message) as caught:
        train_on(data, tmp_path / "run", recipe(batch_size=8))
    one_line(caught.value)
    if most:
        assert "--set batch_size=2" in caught.value.remedy


def test_a_loss_that_is_no_number_stops_before_it_is_saved(
    stopped: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_number(self: Yolox, images: torch.Tensor, targets: list[Any]) -> dict[str, torch.Tensor]:
        return {"box": next(self.parameters()).sum() * float("nan")}

    monkeypatch.setattr(Yolox, "losses", no_number)
    with pytest.raises(Diverged, match="step 4: box nan") as caught:
        train_on(data, stopped, resume=True)
    one_line(caught.value)
    assert all(torch.isfinite(value).all() for value in state_of(stopped / "checkpoints" / LAST).values())
