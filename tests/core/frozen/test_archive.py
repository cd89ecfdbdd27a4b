"""The archive in the executable's file, against PyInstaller's own writer."""

from __future__ import annotations

import io
import lzma

import pytest
from PyInstaller.archive.writers import CArchiveWriter

from aexl.core.frozen.archive import DENSE_SUFFIX, EXTRACTED, Archive

DENSE = "later/dense/three.so" + DENSE_SUFFIX
FILES = {
    "libone.so": b"\x7fELF" * 3000,
    "later/big/lib/two.so": b"two",
    "empty": b"",
    DENSE: lzma.compress(b"three" * 1000),
}


@pytest.fixture
def program(tmp_path):
    entries = [("pyi-contents-directory _internal", "", False, "o")]
    for index, (name, data) in enumerate(FILES.items()):
        (tmp_path / str(index)).write_bytes(data)
        entries.append((name, str(tmp_path / str(index)), index % 2 == 0, "x"))
    CArchiveWriter(str(tmp_path / "pkg"), entries, "libpython3.11.so.1.0")
    path = tmp_path / "program"
    path.write_bytes(b"the bootloader" * 100_000 + (tmp_path / "pkg").read_bytes() + b"\0" * 500)
    return path


def test_entries_are_read_as_they_were_written(program):
    archive = Archive(str(program))

    assert {entry.name: archive.read(entry) for entry in archive.entries if entry.kind in EXTRACTED} == FILES
    assert [entry.name for entry in archive.entries if entry.kind == b"o"] == ["pyi-contents-directory _internal"]


def test_files_are_extracted_whole_and_without_their_prefix(program, tmp_path):
    archive = Archive(str(program))
    found = [entry for entry in archive.entries if entry.name.startswith("later/big/")]
    archive.extract(found, str(tmp_path / "to"), prefix="later/big/")

    assert (tmp_path / "to/lib/two.so").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "to/lib").iterdir()] == ["two.so"]


def test_a_dense_file_is_extracted_as_it_was(program, tmp_path):
    archive = Archive(str(program))
    found = [entry for entry in archive.entries if entry.name == DENSE]
    archive.extract(found, str(tmp_path / "to"), prefix="later/dense/")

    assert [path.name for path in (tmp_path / "to").iterdir()] == ["three.so"]
    assert (tmp_path / "to/three.so").read_bytes() == b"three" * 1000


def test_a_part_of_an_archive_is_an_archive(program, tmp_path):
    archive = Archive(str(program))
    out = io.BytesIO()
    out.write(b"another bootloader")
    archive.write_part(out, (entry for entry in archive.entries if entry.name != "empty"))
    (tmp_path / "part").write_bytes(out.getvalue())
    part = Archive(str(tmp_path / "part"))

    assert [entry.name for entry in part.entries] == ["pyi-contents-directory _internal", *list(FILES)[:2], DENSE]
    assert part.read(part.entries[1]) == FILES["libone.so"]
    assert (part.python, part.library) == (archive.python, archive.library)


def test_a_file_without_an_archive_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"nothing" * 1000)
    with pytest.raises(ValueError, match="no archive"):
        Archive(str(tmp_path / "file"))
