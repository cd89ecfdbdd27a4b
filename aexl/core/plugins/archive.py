"""What a wheel's archive may hold: bounded, plain files at harmless paths, every one of them in RECORD with its hash."""

from __future__ import annotations

import base64
import csv
import hashlib
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from typing import Final

from aexl.errors import Invalid

MAX_WHEEL_BYTES: Final = 256 * 1024 * 1024
"""The file itself. The largest wheels that tools of this kind depend on are a quarter of it."""

MAX_UNPACKED_BYTES: Final = 1024 * 1024 * 1024
MAX_FILES: Final = 10_000
"""Start-up looks at every one of them: some 5 µs each."""

MAX_METADATA_BYTES: Final = 4 * 1024 * 1024
"""Each file of ``.dist-info`` that is read into memory; RECORD of 10,000 files has half of it at most."""

MAX_PATH_CHARACTERS: Final = 1024
MAX_NAME_BYTES: Final = 255
"""What the usual file systems allow."""

HASHES: Final = ("sha256", "sha384", "sha512")
"""RECORD's algorithms, as the wheel specification demands: SHA-256 or better."""

_ENCRYPTED: Final = 0x1
_PIECE: Final = 1024 * 1024


def wrong(wheel: str, problem: str) -> Invalid:
    """Return the error for a wheel that is not installed."""
    return Invalid(f"{wheel} is not installed: {problem}")


def check_members(archive: zipfile.ZipFile, wheel: str) -> list[zipfile.ZipInfo]:
    """Return the archive's files, none of which has been opened yet.

    Raises:
        Invalid: If there are too many or too large ones, or a path or a kind of file that no wheel needs.
    """
    members = archive.infolist()
    if len(members) > MAX_FILES:
        raise wrong(wheel, f"it has {len(members)} files, and {MAX_FILES} is the limit")
    size = sum(member.file_size for member in members)
    if size > MAX_UNPACKED_BYTES:
        raise wrong(wheel, f"it unpacks to {size} bytes, and {MAX_UNPACKED_BYTES} is the limit")
    for member in members:
        problem = _wrong_member(member)
        if problem is not None:
            raise wrong(wheel, f"{member.filename!r} {problem}")
    files = [member for member in members if not member.is_dir()]
    _check_collisions([member.filename for member in files], wheel)
    return files


def _wrong_member(member: zipfile.ZipInfo) -> str | None:
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    parts = name.removesuffix("/").split("/")
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) > name.endswith("/"):
        return "is a link or a special file"
    if "\\" in name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        return "does not stay within the folder it is unpacked to"
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name):
        return "has a control character in its name"
    if len(name) > MAX_PATH_CHARACTERS or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return "is too long a name"
    return None


def _check_collisions(names: Sequence[str], wheel: str) -> None:
    """Refuse names that are one file somewhere: on this system, or on one that ignores case."""
    taken: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in taken:
            raise wrong(wheel, f"{name!r} and {taken[key]!r} have one name")
        taken[key] = name
    for key, name in taken.items():
        folder = key.rpartition("/")[0]
        while folder:
            if folder in taken:
                raise wrong(wheel, f"{taken[folder]!r} is a file, and the folder of {name!r}")
            folder = folder.rpartition("/")[0]


def check_record(archive: zipfile.ZipFile, files: Sequence[zipfile.ZipInfo], record_path: str, wheel: str) -> None:
    """Compare every file with RECORD, reading each once.

    Raises:
        Invalid: If a file is not in RECORD, RECORD names one that is not there, or a size or hash differs.
    """
    record = _read_record(archive, record_path, wheel)
    unsigned = {record_path, f"{record_path}.jws", f"{record_path}.p7s"}  # RECORD cannot have its own hash
    for member in files:
        row = record.pop(member.filename, None)
        if member.filename in unsigned:
            continue
        if row is None:
            raise wrong(wheel, f"{member.filename!r} is not in RECORD")
        algorithm, _, expected = row[0].partition("=")
        if algorithm not in HASHES:
            raise wrong(wheel, f"RECORD has {row[0]!r} for {member.filename!r}, which is no SHA-256 or better")
        size, digest = _hash(archive, member, algorithm, wheel)
        if row[1] not in ("", str(size)) or digest != expected.rstrip("="):
            raise wrong(wheel, f"{member.filename!r} is not the file that RECORD describes")
    if record:
        raise wrong(wheel, f"RECORD names {min(record)!r}, which is not there")


def _read_record(archive: zipfile.ZipFile, path: str, wheel: str) -> dict[str, tuple[str, str]]:
    text = read_text(archive, path, wheel)
    record: dict[str, tuple[str, str]] = {}
    try:
        for row in csv.reader(text.splitlines(), strict=True):
            name, digest, size = row
            if name in record:
                raise wrong(wheel, f"RECORD names {name!r} twice")
            record[name] = (digest, size)
    except (csv.Error, ValueError) as error:
        raise wrong(wheel, f"RECORD cannot be read: {error}") from error
    return record


def _hash(archive: zipfile.ZipFile, member: zipfile.ZipInfo, algorithm: str, wheel: str) -> tuple[int, str]:
    digest = hashlib.new(algorithm)
    size = 0
    try:
        with archive.open(member) as stream:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > MAX_UNPACKED_BYTES:
                    raise wrong(wheel, f"{member.filename!r} unpacks to more than {MAX_UNPACKED_BYTES} bytes")
                digest.update(piece)
    except ARCHIVE_ERRORS as error:
        raise wrong(wheel, f"{member.filename!r} cannot be unpacked: {error}") from error
    return size, base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


ARCHIVE_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""What the standard library raises for archives that are damaged or made to do damage."""


def read_text(archive: zipfile.ZipFile, path: str, wheel: str) -> str:
    """Return a small text file of the archive.

    Raises:
        Invalid: If it is not there, too large or no UTF-8.
    """
    try:
        member = archive.getinfo(path)
        if member.file_size > MAX_METADATA_BYTES:
            raise wrong(wheel, f"{path!r} has {member.file_size} bytes, and {MAX_METADATA_BYTES} is the limit")
        return archive.read(member).decode()
    except KeyError as error:
        raise wrong(wheel, f"it has no {path!r}") from error
    except ARCHIVE_ERRORS as error:
        raise wrong(wheel, f"{path!r} cannot be read: {error}") from error
