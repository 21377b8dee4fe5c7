"""`data check` on any layout: what is recognised, what is counted, and one line a fault."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures import labelme, opixray
from tests.training.dataset_fixtures.coco_files import coco
from tests.training.dataset_fixtures.drawing import put
from tests.training.fake_set import ADAPTERS, luggage, make_set, scan_entry
from training.data_commands import data_app
from training.datasets.adapters import ADAPTERS as EVERY
from training.datasets.annotated_set import Adapter
from training.datasets.check_source import SourceCheck, check_source
from training.datasets.export_set import FORMATS, export_set
from training.datasets.findings import Severity
from training.datasets.prepare import PrepareOptions, prepare
from training.datasets.recognition import is_prepared, recognise
from training.datasets.taxonomy import load_taxonomy
from training.files import progress
from training.files.progress import silently


def checked(folder: Path) -> SourceCheck:
    return check_source(recognise(folder, ADAPTERS), load_taxonomy())


def lines(found: SourceCheck, kind: str) -> list[str]:
    return [f"{finding.subject}: {finding.message}" for finding in found.findings if finding.kind == kind]


def whole(folder: Path) -> Path:
    """What the fake set's authors published: three train scans, two guns."""
    entries = [
        scan_entry(f"{number}.png", label, split="train") for number, label in enumerate(("gun", "gun", "knife"))
    ]
    return make_set(folder, entries)


def test_a_whole_set_has_no_faults(tmp_path: Path) -> None:
    found = checked(whole(tmp_path / "set"))
    assert (found.findings, found.title, found.terms) == ((), "Fake", "for tests alone")
    assert found.counts["train"].scans == 3 and found.counts["train"].boxes == {"gun": 2, "knife": 1}


def test_missing_and_extra_against_what_was_published(tmp_path: Path) -> None:
    entries = [scan_entry(f"{number}.png", split="train") for number in range(4)]
    found = checked(make_set(tmp_path / "set", entries))
    assert lines(found, "count unlike published") == [
        "train: 4 scans, 3 published: 1 extra",
        "train: gun: 4 boxes, 2 published: 2 extra",
    ]
    assert lines(found, "label without boxes") == ["knife: looked for, but not one box"]


def test_every_fault_is_said_and_none_ends_it(tmp_path: Path) -> None:
    boxes = [{"label": "gun", "box_xyxy": [50, 4, 80, 20]}, {"label": "gun", "box_xyxy": [70, 4, 80, 20]}]
    entries = [
        scan_entry("gone.png", split="train"),
        scan_entry("cut.png", split="train"),
        scan_entry("empty.png", split="train"),
        scan_entry("size.png", split="train", width=640),
        scan_entry("box.png", split="train", boxes=boxes),
        scan_entry("../up.png", split="train"),
        scan_entry("C:/up.png", split="train"),
        scan_entry("..\\up.png", split="train"),
        scan_entry("label.png", "scisors", split="train"),
        scan_entry("bag_a.png", split="train", group="bag"),
        scan_entry("bag_b.png", split="test", group="bag"),
        scan_entry("copy_a.png", "knife", split="train"),
        scan_entry("copy_b.png", "knife", split="test"),
    ]
    folder = make_set(tmp_path / "set", entries)
    (folder / "gone.png").unlink()
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:120])
    (folder / "empty.png").write_bytes(b"")
    shutil.copyfile(folder / "copy_a.png", folder / "copy_b.png")
    found = checked(folder)
    kinds = {finding.kind for finding in found.findings if finding.severity is Severity.ERROR}
    assert kinds == {
        *("missing file", "unreadable scan", "size mismatch", "box outside scan", "path refused", "leak between splits")
    }
    # Where a scan leads depends on the system that it is read on: refused on all.
    assert len(lines(found, "path refused")) == 3
    assert len(lines(found, "unreadable scan")) == 2 and len(lines(found, "box outside scan")) == 2
    assert lines(found, "unknown label") == [
        "scisors: fake: the taxonomy does not know the label 'scisors'; did you mean 'scissors'?"
    ]
    assert lines(found, "group in two splits") == ["bag: what belongs together is in test, train"]
    assert all("\n" not in finding.message for finding in found.findings)


def test_a_scan_that_was_recompressed_into_another_split_is_found(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry("a.png", split="train"), scan_entry("b.jpg", split="test")])
    cv2.imwrite(str(folder / "b.jpg"), cv2.imread(str(folder / "a.png")), [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert lines(checked(folder), "near-duplicate leak") == ["train/a.png, test/b.jpg: they show the same"]


def test_a_folder_in_a_folder_is_recognised(tmp_path: Path) -> None:
    inside = whole(tmp_path / "outer" / "middle" / "set")
    assert recognise(tmp_path / "outer", ADAPTERS).root == inside


def test_files_beside_the_one_folder_do_not_hide_it(tmp_path: Path) -> None:
    inside = tmp_path / "outer" / "OPIXray"
    opixray.build(inside)
    for name in ("README.md", "terms.pdf", ".DS_Store"):
        (tmp_path / "outer" / name).write_text("x")
    assert recognise(tmp_path / "outer").root == inside
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "outer")
    assert "OPIXray" in run("check", tmp_path / "packed.zip")[1]
    (tmp_path / "outer" / "other").mkdir()
    with pytest.raises(SettingsInvalid, match="no layout fits"):
        recognise(tmp_path / "outer")


def test_archives_in_a_folder_are_named_and_what_to_do_with_them(tmp_path: Path) -> None:
    """SIXray as it is downloaded: scans in an archive that was cut, boxes in another one."""
    for name in ("JPEGImage.tar.gz00", "JPEGImage.tar.gz01", "Annotation.zip"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SettingsInvalid, match="no layout fits") as refused:
        recognise(tmp_path)
    assert refused.value.remedy.startswith(
        "unpack Annotation.zip, JPEGImage.tar.gz00 into one folder "
        "(`cat 'JPEGImage.tar.gz'* | tar xz` for the one in parts), then name that folder; "
    )
    for name in ("JPEGImage.tar.gz00", "JPEGImage.tar.gz01"):
        (tmp_path / name).unlink()
    with pytest.raises(SettingsInvalid) as refused:
        recognise(tmp_path)
    assert refused.value.remedy.startswith(f"name the archive {tmp_path / 'Annotation.zip'} itself; ")


def test_an_export_of_cvat_that_is_not_read_is_told_which_one_is(tmp_path: Path) -> None:
    put(tmp_path / "obj.names", "gun\n")
    put(tmp_path / "obj_train_data/a.txt", "0 .5 .5 .1 .1\n")
    with pytest.raises(SettingsInvalid, match="no layout fits") as refused:
        recognise(tmp_path, EVERY)
    assert "Ultralytics YOLO Detection" in refused.value.remedy


def test_an_unknown_layout_is_told_what_the_nearest_one_lacks(tmp_path: Path) -> None:
    (tmp_path / "set" / "JPEGImage").mkdir(parents=True)
    (tmp_path / "set" / "Annotation").mkdir()
    (tmp_path / "set" / "JPEGImage" / "x.txt").write_text("")
    with pytest.raises(SettingsInvalid, match=r"no layout fits; it holds 1 \.txt") as refused:
        recognise(tmp_path / "set", ADAPTERS)
    assert "nearest is SIXray, which lacks ImageSet; tried: fake" in refused.value.remedy
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsInvalid, match="it is empty"):
        recognise(tmp_path / "empty", ADAPTERS)
    (tmp_path / "set.rar").write_bytes(b"Rar!")
    with pytest.raises(SettingsInvalid, match="no archive that is read"):
        recognise(tmp_path / "set.rar", ADAPTERS)
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "STCray_TrainSet.rar").write_bytes(b"Rar!")
    with pytest.raises(SettingsInvalid, match="no layout fits") as refused:
        recognise(tmp_path / "published", ADAPTERS)
    assert refused.value.remedy.startswith("unpack STCray_TrainSet.rar into one folder, then name that folder; ")
    with pytest.raises(SettingsInvalid, match="no folder"):
        recognise(tmp_path / "nowhere", ADAPTERS)


def prepared(tmp_path: Path) -> Path:
    prepare([whole(tmp_path / "set")], tmp_path / "data", PrepareOptions(share=0.0), silently, ADAPTERS)
    return tmp_path / "data"


def test_a_prepared_folder_is_told_from_others(tmp_path: Path) -> None:
    assert is_prepared(prepared(tmp_path))
    assert not is_prepared(tmp_path / "set")


@pytest.mark.parametrize("before", ["", "train/", "images/train/"])
def test_own_coco_is_checked_as_prepare_reads_it_wherever_its_names_begin(before: str, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    document = coco({1: "gun"}, {f"{before}{name}.png": [(1, 4, 4, 20, 16)] for name in "ab"})
    put(folder / "annotations/train.json", json.dumps(document))
    for number, name in enumerate("ab"):
        (folder / "images/train").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"images/train/{name}.png"), luggage(number))
    code, output = run("check", folder)
    assert code == 0 and "train: 2 scans; boxes: gun 2" in output and "missing" not in output
    # `fit` knows one place alone.
    assert ("takes it as it stands" in output) == (not before)
    assert ("does not take it as it stands, `data prepare` does: annotated scan is not there" in output) == bool(before)
    code, output = run("prepare", folder, "--output", tmp_path / "data", "--val-share", "0")
    assert code == 0 and "train: 2 scans; boxes: gun 2" in output
    (folder / "images/train/a.png").write_bytes(b"")
    assert run("check", folder)[0] == 1


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(data_app, [str(argument) for argument in arguments])
    if isinstance(result.exception, SettingsInvalid):
        return 2, result.exception.what
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_commands_from_a_prepared_folder_to_a_prepared_folder(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    code, output = run("check", data)
    assert code == 0 and "nothing found" in output
    code, output = run("prepare", data, "--output", tmp_path / "again", "--classes", "knife,gun", "--val-share", "0")
    assert code == 0 and "train: 3 scans; boxes: knife 1, gun 2" in output
    code, output = run("merge", data, tmp_path / "again", "--output", tmp_path / "both")
    assert code == 0 and "train: 6 scans" in output
    shutil.make_archive(str(tmp_path / "packed"), "zip", data)
    assert run("check", tmp_path / "packed.zip") == (0, "nothing found\n")
    (data / "images" / "fake" / "0.png").write_bytes(b"")
    code, output = run("check", data)
    assert code == 1 and "error: unreadable scan: train: fake/0.png" in output
    code, output = run("prepare", tmp_path / "nowhere", "--output", tmp_path / "out")
    assert code == 2 and "no folder" in output


def test_check_says_what_it_cannot_check_and_goes_on(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as archive:
        archive.writestr("../../out.txt", "x")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "x.bin").write_bytes(b"x")
    paths = [tmp_path / name for name in ("nowhere", "hostile.zip", "odd")]
    code, output = run("check", *paths, prepared(tmp_path))
    assert code == 1
    for path, message in zip(paths, ("no folder", "hostile.zip", "no layout fits"), strict=True):
        (line,) = [line for line in output.splitlines() if line.startswith(f"error: not checked: {path}: ")]
        assert message in line and "what to do: " in line
    assert output.count(f"{paths[-1]}: no layout fits") == 1 and f"{paths[-1]}: {paths[-1]}" not in output
    assert output.endswith("data:\nnothing found\n") and not (tmp_path / "out.txt").exists()
    (tmp_path / "own.toml").write_text("[")
    assert run("check", tmp_path / "data", "--taxonomy", tmp_path / "own.toml")[0] == 2


def test_where_nothing_can_be_read_check_prints_every_reason_and_prepare_the_first(tmp_path: Path) -> None:
    for name in ("a", "b"):
        labelme.put_document(tmp_path / "own", name)
        file = tmp_path / f"own/{name}.json"
        file.write_bytes(file.read_bytes()[:-5])
    code, output = run("check", tmp_path / "own")
    assert code == 1
    assert [f"error: malformed annotation: {name}.json: it is not JSON" in output for name in ("a", "b")] == [True] * 2
    code, output = run("prepare", tmp_path / "own", "--output", tmp_path / "out")
    assert code == 2 and "a.json: it is not JSON" in output and "b.json" not in output


@pytest.mark.parametrize("name", FORMATS)
def test_a_failed_export_leaves_nothing_and_is_run_again(tmp_path: Path, name: str) -> None:
    data, out = prepared(tmp_path), tmp_path / "out"
    source, write = recognise(data).read(), EVERY[FORMATS[name]].write
    assert write is not None
    for path, message in (("images/fake/gone.png", "is not there"), ("images/fake/0.jpg", "would share")):
        faulty = replace(source, scans=(*source.scans, replace(source.scans[0], path=path)))
        with pytest.raises(SettingsInvalid, match=message):
            write(faulty, out)
        assert not [path for path in tmp_path.iterdir() if path.name.startswith("out")]
    # As a run that was killed leaves it.
    (tmp_path / "out.partial" / "images").mkdir(parents=True)
    (tmp_path / "out.partial" / ".roentgate-export").touch()
    shutil.copyfile(data / "images" / "fake" / "0.png", tmp_path / "out.partial" / "images" / "stray.png")
    out.mkdir()
    assert export_set(data, name, out).scans == 3
    assert not (tmp_path / "out.partial").exists()
    assert len(list(out.rglob("*.png"))) == 3 and not list(out.rglob(".*"))


def test_an_export_does_not_remove_a_folder_that_somebody_else_called_as_its_attempt(tmp_path: Path) -> None:
    own = tmp_path / "out.partial" / "thesis.txt"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(SettingsInvalid, match=r"out\.partial is not empty") as refused:
        export_set(prepared(tmp_path), "yolo", tmp_path / "out")
    assert refused.value.remedy and own.read_text() == "mine" and not (tmp_path / "out").exists()


def test_an_export_does_not_remove_the_set_that_it_reads(tmp_path: Path) -> None:
    data = prepared(tmp_path).rename(tmp_path / "out.partial")
    with pytest.raises(SettingsInvalid, match="lies where"):
        export_set(data, "yolo", tmp_path / "out")
    assert (data / "images" / "fake" / "2.png").is_file()


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "labelme", "label-studio"])
def test_export_reads_back_as_the_same_boxes(tmp_path: Path, name: str) -> None:
    code, output = run("export", prepared(tmp_path), "--format", name, "--output", tmp_path / "out")
    assert (code, output) == (0, f"wrote 3 scans to {tmp_path / 'out'}\n")
    found = EVERY[FORMATS[name]].read(tmp_path / "out")
    assert sorted(box.label for scan in found.scans for box in scan.boxes) == ["gun", "gun", "knife"]
    for box in (box for scan in found.scans for box in scan.boxes):
        assert box.box_xyxy == pytest.approx((4, 4, 24, 20), abs=1e-3)


def test_export_leaves_out_scans_that_were_not_looked_through(tmp_path: Path) -> None:
    entries = [scan_entry("a.png", split="train"), scan_entry("b.png", "knife", split="train", looked_for=["knife"])]
    prepare([make_set(tmp_path / "set", entries)], tmp_path / "data", PrepareOptions(share=0.0), silently, ADAPTERS)
    with pytest.raises(SettingsInvalid, match="it would count as background"):
        export_set(tmp_path / "data", "yolo", tmp_path / "refused")
    written = export_set(tmp_path / "data", "yolo", tmp_path / "out", ("gun",))
    assert (written.scans, written.left_out) == (1, 1)
    with pytest.raises(SettingsInvalid, match="no class 'gunn'; did you mean 'gun'"):
        export_set(tmp_path / "data", "yolo", tmp_path / "odd", ("gunn",))
    with pytest.raises(SettingsInvalid, match="no format 'yaml'"):
        export_set(tmp_path / "data", "yaml", tmp_path / "odd")
    with pytest.raises(SettingsInvalid, match="holds no scan"):
        export_set(make_set(tmp_path / "none", []), "coco", tmp_path / "odd", (), {**_formats(), **ADAPTERS})


def _formats() -> dict[str, Adapter]:
    return {"coco": replace(EVERY["coco"], recognise=lambda root: False)}


def test_contradiction_of_mask_and_box_allows_classes_marked_in_part(tmp_path: Path) -> None:
    data = prepared(tmp_path)
    path = data / "annotations" / "train.json"
    document = json.loads(path.read_bytes())
    for image in document["images"]:
        image["annotated_category_ids"] = [2]
        image["partial_category_ids"] = [1]
    path.write_text(json.dumps(document))
    assert run("check", data)[0] == 0
    for image in document["images"]:
        del image["partial_category_ids"]
    path.write_text(json.dumps(document))
    code, output = run("check", data)
    assert code == 1 and "2 x error: mask contradicts box" in output


def test_progress_passes_everything_on_and_says_so_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    assert list(progress.with_progress("reading", iter("abc"), 3)) == ["a", "b", "c"]
    captured = capsys.readouterr()
    assert captured.out == "" and "reading: 2/3" in captured.err


def test_own_scans_are_called_by_their_folder_as_prepare_calls_them(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), luggage(1))
    with zipfile.ZipFile(tmp_path / "belt2.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "images/a.png")
        archive.writestr("labels/a.txt", "0 0.5 0.5 0.2 0.2\n")
        archive.writestr("data.yaml", "train: images\nnames: [kanif]\n")
    (tmp_path / "belt2").mkdir()
    with zipfile.ZipFile(tmp_path / "belt2.zip") as archive:
        archive.extractall(tmp_path / "belt2")
    (tmp_path / "own.toml").write_text('[sources.belt2]\nkanif = "knife"\n')
    for named in ("belt2", "belt2.zip"):
        code, output = run("check", tmp_path / named, "--taxonomy", tmp_path / "own.toml")
        assert code == 0 and "nothing found" in output
