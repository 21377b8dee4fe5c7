"""A data set's folder is read without trusting it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from training.datasets.source_folder import SourceFolder, by_stem, common_group, is_confined


@pytest.mark.parametrize("path", ["a/b.jpg", "a b.jpg", "..a/b..jpg", "", "a/./b"])
def test_paths_below_the_folder_are_taken(path: str) -> None:
    assert is_confined(path)


@pytest.mark.parametrize(
    "path", ["../a", "a/../../b", "a\\..\\b", "/a", "\\\\host\\a", "C:\\a", "c:a", "~/a", "a\0b", ".."]
)
def test_paths_that_may_lead_out_are_not(path: str) -> None:
    assert not is_confined(path)


def test_files_are_listed_below_a_folder_in_order_without_clutter(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/10.jpg", "a/1.jpg", "._1.jpg", "__MACOSX/x.jpg", "Thumbs.db", "c/.hidden.jpg", "z.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder = SourceFolder(tmp_path)
    assert list(folder.files("", (".jpg",))) == ["a/1.jpg", "b/10.jpg", "b/2.JPG"]
    assert folder.folders() == ["a", "b", "c"] and list(folder.files("none", (".jpg",))) == []
    assert folder.findings == []


def test_links_that_leave_the_root_are_refused_and_others_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-of-another"
    for place in (root / "a", outside):
        place.mkdir(parents=True)
        (place / "1.txt").write_text("x")
    (root / "a/out.txt").symlink_to(outside / "1.txt")
    (root / "a/in.txt").symlink_to(root / "a/1.txt")
    (root / "a/broken.txt").symlink_to(root / "none")
    (root / "a/loop").symlink_to(root)
    (root / "away").symlink_to(outside)
    folder = SourceFolder(root)
    assert list(folder.files("", (".txt",))) == ["a/1.txt", "a/in.txt"]
    assert [finding.kind for finding in folder.findings].count("path refused") == 2
    assert list(folder.files("away", (".txt",))) == [] and not folder.has_file("a/out.txt")
    assert folder.content("a/out.txt") is None and folder.content("a/in.txt") == b"x"


def test_a_folder_is_listed_once_and_its_faults_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "broken.txt").symlink_to(tmp_path / "none")
    (tmp_path / "loop").symlink_to(tmp_path)
    folder = SourceFolder(tmp_path)
    for _ in range(3):
        assert list(folder.files("", (".txt",))) == folder.folders() == list(folder.pictures("")) == []
    assert sorted(finding.kind for finding in folder.findings) == ["broken link", "link to a folder"]


def test_a_root_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/1.txt").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    folder = SourceFolder(tmp_path / "link")
    assert [folder.text(path) for path in folder.files("", (".txt",))] == ["x"]


def test_what_is_no_readable_file_of_text_is_one_finding_each(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfa\r\n\r\n b \r\n")
    folder = SourceFolder(tmp_path)
    for name in ("pipe.txt", "huge.txt", "binary.txt", "none.txt", "../x.txt", "x" * 5000):
        assert folder.text(name) is None
    assert [finding.kind for finding in folder.findings] == ["unreadable annotations"] * 6
    assert folder.lines("marked.txt") == ["a", "b"] and folder.lines("x" * 5000) == []


def test_of_files_that_share_a_stem_the_preferred_is_taken(tmp_path: Path) -> None:
    folder = SourceFolder(tmp_path)
    assert by_stem(folder, ["a/1.jpg", "a/1.tiff", "b/2.jpg"], (".tiff", ".jpg")) == {"1": "a/1.tiff", "2": "b/2.jpg"}
    assert [finding.kind for finding in folder.findings] == ["repeated name"]


def test_augmented_copies_share_a_group(tmp_path: Path) -> None:
    digest = "0123456789abcdef" * 2
    assert (
        common_group(f"train/bag_jpg.rf.{digest}.jpg")
        == common_group(f"test/bag_jpg.rf.{digest[::-1]}.jpg")
        == "bag_jpg"
    )
    assert common_group("train/bag.jpg") != common_group("test/bag.jpg")
