"""Reading a wheel before anything of it is unpacked: is it whole, for this interpreter, and for this aexl?"""

from __future__ import annotations

import configparser
import platform
import re
import sys
import zipfile
from collections.abc import Iterable
from email.message import Message
from email.parser import Parser
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, parse_tag, sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from aexl import __version__
from aexl.core.plugins.archive import (
    ARCHIVE_ERRORS,
    MAX_WHEEL_BYTES,
    check_members,
    check_record,
    read_text,
    wrong,
)
from aexl.core.plugins.integrity import hash_file
from aexl.errors import Invalid, NotFound, Unavailable
from aexl.hookspecs import ENTRY_POINT_GROUP

_POINT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_POINT_VALUE: Final = re.compile(r"\w+(\.\w+)*\s*:\s*\w+(\.\w+)*")


class Wheel(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel that was read and found right.

    Attributes:
        name: The distribution's normalised name.
        sha256: Of the file, hexadecimal.
        requires: ``Requires-Dist`` as written, markers included.
        points: Its plugins: name and ``module:attribute``.
        dist_info: The name of its metadata folder.
        files: How many files it has.
    """

    path: Path
    name: str
    version: str
    sha256: str
    requires: tuple[str, ...]
    points: tuple[tuple[str, str], ...]
    dist_info: str
    files: int


def read_wheel(path: Path, *, sha256: str | None = None) -> Wheel:
    """Check a wheel and return what it says of itself. Nothing is unpacked or run.

    Args:
        sha256: What the file's hash must be, hexadecimal.

    Raises:
        NotFound: If there is no such file.
        Invalid: If it is no wheel, damaged, made to do damage, or not for this Python, platform or aexl.
    """
    digest = _hash_whole(path)
    if sha256 is not None and digest != sha256.lower():
        raise wrong(path.name, f"its SHA-256 is {digest}, not {sha256.lower()}")
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise Invalid(f"{path.name!r} is not the name of a wheel, as in name-1.0-py3-none-any.whl") from error
    _check_tags(tags, path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path, name, version, digest)
    except zipfile.BadZipFile as error:
        raise wrong(path.name, f"it is no zip archive: {error}") from error
    except ARCHIVE_ERRORS as error:
        raise wrong(path.name, f"it cannot be read: {error}") from error


def _hash_whole(path: Path) -> str:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise Invalid(f"{path} is not a file; give a wheel, the address of one, or a name of an index")
        if size > MAX_WHEEL_BYTES:
            raise wrong(path.name, f"it has {size} bytes, and {MAX_WHEEL_BYTES} is the limit")
        return hash_file(path)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error


def _read(archive: zipfile.ZipFile, path: Path, name: str, version: Version, digest: str) -> Wheel:
    wheel = path.name
    files = check_members(archive, wheel)
    dist_info = _find_dist_info((member.filename for member in files), name, version, wheel)
    description = _headers(read_text(archive, f"{dist_info}/WHEEL", wheel))
    if not str(description["Wheel-Version"] or "").startswith("1."):
        raise wrong(wheel, f"it has version {description['Wheel-Version']} of the wheel format, and 1.x is known")
    _check_tags((tag for text in description.get_all("Tag", ()) for tag in _parse_tag(str(text), wheel)), wheel)
    metadata = _headers(read_text(archive, f"{dist_info}/METADATA", wheel))
    if canonicalize_name(str(metadata["Name"])) != name or not _same_version(str(metadata["Version"]), version):
        raise wrong(wheel, f"its METADATA is that of {metadata['Name']} {metadata['Version']}")
    requires = tuple(str(text) for text in metadata.get_all("Requires-Dist", ()))
    _check_python(str(metadata["Requires-Python"] or ""), wheel)
    _check_requires(requires, wheel)
    names = {member.filename for member in files}
    entry_points = f"{dist_info}/entry_points.txt"
    points = _read_points(read_text(archive, entry_points, wheel), wheel) if entry_points in names else ()
    check_record(archive, files, f"{dist_info}/RECORD", wheel)
    return Wheel(
        path=path,
        name=name,
        version=str(version),
        sha256=digest,
        requires=requires,
        points=points,
        dist_info=dist_info,
        files=len(files),
    )


def _headers(text: str) -> Message:
    return Parser().parsestr(text, headersonly=True)


def _parse_tag(text: str, wheel: str) -> frozenset[Tag]:
    try:
        return parse_tag(text)
    except ValueError as error:
        raise wrong(wheel, f"its tag {text!r} is none") from error


def _same_version(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except ValueError:
        return False


@cache
def _own_tags() -> frozenset[Tag]:
    return frozenset(sys_tags())


def _check_tags(tags: Iterable[Tag], wheel: str) -> None:
    given = frozenset(tags)
    if given & _own_tags():
        return
    shown = ", ".join(sorted(str(tag) for tag in given)[:3]) or "nothing that it says"
    own = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} {platform.machine()}"
    raise wrong(wheel, f"it is for {shown}, and this is {own} ({next(sys_tags())})")


def _check_python(specifier: str, wheel: str) -> None:
    try:
        fits = SpecifierSet(specifier).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier as error:
        raise wrong(wheel, f"its Requires-Python {specifier!r} cannot be read") from error
    if not fits:
        raise wrong(wheel, f"it needs Python {specifier}, and this is {platform.python_version()}")


def _check_requires(requires: Iterable[str], wheel: str) -> None:
    """Check that the requirements can be read, and the one on aexl itself."""
    for text in requires:
        try:
            requirement = Requirement(text)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except (InvalidRequirement, ValueError) as error:
            raise wrong(wheel, f"its requirement {text!r} cannot be read") from error
        aexl = canonicalize_name(requirement.name) == "aexl" and applies
        if aexl and not requirement.specifier.contains(__version__, prereleases=True):
            raise wrong(wheel, f"it needs aexl {requirement.specifier}, and this is {__version__}")


def _find_dist_info(names: Iterable[str], name: str, version: Version, wheel: str) -> str:
    found = {first for path in names if (first := path.partition("/")[0]).endswith(".dist-info")}
    if len(found) != 1:
        raise wrong(wheel, f"it has {len(found)} metadata folders in place of one")
    [folder] = found
    own_name, _, own_version = folder.removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(own_name) != name or not _same_version(own_version, version):
        raise wrong(wheel, f"its metadata folder is called {folder}")
    return folder


def _read_points(text: str, wheel: str) -> tuple[tuple[str, str], ...]:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise wrong(wheel, f"its entry_points.txt cannot be read: {error}") from error
    points = parser.items(ENTRY_POINT_GROUP) if parser.has_section(ENTRY_POINT_GROUP) else []
    for name, value in points:
        if not _POINT_NAME.fullmatch(name) or not _POINT_VALUE.fullmatch(value):
            raise wrong(wheel, f"its plugin {name!r} = {value!r} is not a name and module:attribute")
    return tuple(points)
