"""Archives made to hurt: nothing is written outside the folder, and never more than the caps."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from training.datasets.archives import ArchiveLimits, is_archive, parts_of, unpack

ESCAPES = (
    "../evil.txt",
    "a/../../evil.txt",
    "/tmp/evil.txt",
    "..\\evil.txt",
    "C:\\evil.txt",
    "c:evil.txt",
    "a/..",
    "//server/evil.txt",
)


def make_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def tar_of_entry(path: Path, kind: bytes, target: str = "/etc/passwd") -> Path:
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("scan.png")
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
    return path


def refusal(archive: Path, folder: Path, limits: ArchiveLimits | None = None) -> str:
    """Unpacks, which must be refused in one line and leave nothing anywhere near."""
    before = set(folder.parent.rglob("*"))
    with pytest.raises(SettingsInvalid) as refused:
        unpack(archive, folder, limits or ArchiveLimits())
    assert set(folder.parent.rglob("*")) == before
    assert "\n" not in refused.value.what and refused.value.remedy
    return refused.value.what


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.zip", make_zip),
        ("a.tar.gz", make_tar),
        ("a.tar", lambda path, files: make_tar(path, files, "w")),
        ("a.tar.bz2", lambda path, files: make_tar(path, files, "w:bz2")),
        ("a.TAR.XZ", lambda path, files: make_tar(path, files, "w:xz")),
    ],
)
def test_honest_archives_are_unpacked_whole(
    tmp_path: Path, name: str, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    files = {"set/images/a.png": b"a" * 3000, "set/b.txt": b"", "./c..d/e": b"e"}
    archive = make(tmp_path / name, files)
    assert is_archive(archive)
    unpack(archive, tmp_path / "out")
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {"set/images/a.png": b"a" * 3000, "set/b.txt": b"", "c..d/e": b"e"}


@pytest.mark.parametrize("name", ESCAPES)
def test_no_path_escapes(tmp_path: Path, name: str) -> None:
    room = tmp_path / "room"
    room.mkdir()
    assert "leads out" in refusal(make_zip(room / "a.zip", {name: b"x"}), room / "out")
    assert "leads out" in refusal(make_tar(room / "a.tar", {name: b"x"}, "w"), room / "out")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    assert "link or a device" in refusal(tar_of_entry(tmp_path / "a.tar", kind), tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("scan.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert "link or a device" in refusal(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "first")
        archive.writestr("a.txt", "second")
    assert "twice" in refusal(tmp_path / "a.zip", tmp_path / "out")
    assert "twice" in refusal(make_tar(tmp_path / "b.tar", {"a": b"file", "a/b": b"below it"}, "w"), tmp_path / "out")


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    limits = ArchiveLimits(max_ratio=50, free_bytes=1 << 20)
    assert "unpacks to more" in refusal(make_zip(tmp_path / "a.zip", {"a": bytes(8 << 20)}), tmp_path / "out", limits)
    assert "unpacks to more" in refusal(make_tar(tmp_path / "a.tgz", {"a": bytes(8 << 20)}), tmp_path / "out", limits)


def test_caps_on_bytes_and_files(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {str(number): bytes(100) for number in range(20)})
    assert "more than 10 files" in refusal(archive, tmp_path / "out", ArchiveLimits(max_files=10))
    assert "more than 1,000 bytes" in refusal(archive, tmp_path / "out", ArchiveLimits(max_bytes=1000))
    unpack(archive, tmp_path / "out", ArchiveLimits(max_files=20, max_bytes=2000))


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    """The size in the directory is 10 bytes, the content is larger: only what is really there counts."""
    archive = make_zip(tmp_path / "a.zip", {"a.bin": b"\1" * 5000}, zipfile.ZIP_STORED)
    data = archive.read_bytes().replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(data)
    refusal(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"])
@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\3\4" + bytes(50), b"\x1f\x8b" + bytes(50)])
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path / name, tmp_path / "out")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_what_is_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    noise = bytes(number * 7919 % 251 for number in range(100_000))
    for name, make in (("a.zip", make_zip), ("a.tar.gz", make_tar)):
        data = make(tmp_path / name, {"a": noise}).read_bytes()
        (tmp_path / name).write_bytes(data[: int(len(data) * share)])
        refusal(tmp_path / name, tmp_path / "out")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"a": b"x"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(bytes(data))
    assert "encrypted" in refusal(archive, tmp_path / "out")


def test_an_archive_in_parts_is_read_as_one(tmp_path: Path) -> None:
    noise = bytes(number * 7919 % 251 for number in range(50_000))
    whole = make_tar(tmp_path / "whole.tar.gz", {"JPEGImage/P00001.jpg": noise}).read_bytes()
    size = len(whole) // 12 + 1
    for number in range(12):
        (tmp_path / f"JPEGImage.tar.gz{number:02}").write_bytes(whole[number * size : (number + 1) * size])
    first = tmp_path / "JPEGImage.tar.gz00"
    assert is_archive(first) and len(parts_of(first)) == 12
    assert not is_archive(tmp_path / "JPEGImage.tar.gz01")
    unpack(first, tmp_path / "out")
    assert (tmp_path / "out" / "JPEGImage" / "P00001.jpg").read_bytes() == noise
    (tmp_path / "JPEGImage.tar.gz07").unlink()
    with pytest.raises(SettingsInvalid, match="part 7 is missing"):
        unpack(first, tmp_path / "again")


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_damage_inside_a_compressed_file_is_one_line(compression: int, tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "set.zip", {"a.bin": bytes(range(256)) * 40}, compression)
    content = bytearray(archive.read_bytes())
    content[60:90] = bytes(30)
    archive.write_bytes(content)
    assert "does not hold together" in refusal(archive, tmp_path / "out")
