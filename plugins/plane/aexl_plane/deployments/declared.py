"""What a snapshot's own files say it needs, held to what a runtime offers. Pure.

``aexl.toml`` says which versions of the SDK, the runtime and Python (``[runtime]``),
``requirements.txt`` and ``pyproject.toml`` which distributions.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from packaging.markers import Environment, UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from aexl.api import RuntimeOffer
from aexl_plane.deployments.obstacles import Obstacle

SHIM: Final = "aiel-sdk"
"""What ``aiel_compat`` answers for."""

_COMMENT: Final = re.compile(r"(?:^|\s)#.*")
_OPTION: Final = re.compile(r"\s--[a-z].*")
_INCLUDE: Final = re.compile(r"(?:-r|--requirement)[ =]?\s*(\S+)")


@dataclass(slots=True)
class Declared:
    """What a snapshot needs.

    Attributes:
        versions: Specifiers of ``sdk``, ``runtime`` and ``python``, each with where it stands.
        requirements: Lines, each with where it stands.
        includes: Paths of files that go on with the requirements.
        compat: ``import aiel_sdk`` is answered for.
        obstacles: What cannot be read.
    """

    versions: list[tuple[Literal["sdk", "runtime", "python"], str, str]] = field(default_factory=list)
    requirements: list[tuple[str, str]] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    compat: bool = False
    obstacles: list[Obstacle] = field(default_factory=list)

    def read(self, path: str, text: str) -> None:
        """Take in a file: ``aexl.toml``, ``pyproject.toml``, or one of requirements."""
        match path:
            case "aexl.toml":
                self._read_settings(_table(self._toml(path, text), "runtime"))
            case "pyproject.toml":
                self._read_metadata(_table(self._toml(path, text), "project"))
            case _:
                self._read_requirements(path, text)

    def _toml(self, path: str, text: str) -> Mapping[str, Any]:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.obstacles.append(Obstacle(rule="settings", message=f"{path} cannot be read: {error}"))
            return {}

    def _read_settings(self, table: Mapping[str, Any]) -> None:
        self.compat = table.get("aiel_compat") is True
        for name in ("sdk", "runtime", "python"):
            if name in table:
                self._version(name, table[name], f"aexl.toml, [runtime] {name}")

    def _read_metadata(self, table: Mapping[str, Any]) -> None:
        if "requires-python" in table:
            self._version("python", table["requires-python"], "pyproject.toml, requires-python")
        needed = table.get("dependencies", [])
        if not isinstance(needed, list) or not all(isinstance(each, str) for each in needed):
            self.obstacles.append(
                Obstacle(rule="settings", message="pyproject.toml, dependencies must be a list of texts")
            )
            return
        self.requirements += [(each, "pyproject.toml") for each in needed]

    def _version(self, name: Literal["sdk", "runtime", "python"], value: object, where: str) -> None:
        if isinstance(value, str):
            self.versions.append((name, value, where))
        else:
            self.obstacles.append(Obstacle(rule="settings", message=f"{where} must be a text, not {value!r:.80}"))

    def _read_requirements(self, path: str, text: str) -> None:
        for line in _lines(text):
            include = _INCLUDE.fullmatch(line)
            if include is not None:
                self.includes.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), include[1])))
            elif line.startswith(("-e", "--editable", ".", "/")):
                message = f"{path}: {line[:200]!r} is not built here; name a distribution"
                self.obstacles.append(Obstacle(rule="requirement", message=message))
            elif not line.startswith("-"):  # the other options are about where to install from
                self.requirements.append((_OPTION.sub("", line).strip(), path))


def _table(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = whole.get(name, {})
    return found if isinstance(found, dict) else {}


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        kept = _COMMENT.sub("", line).strip()
        if kept:
            yield kept


def check_offer(declared: Declared, offer: RuntimeOffer) -> Iterator[Obstacle]:
    """Yield everything that a runtime does not offer of what a snapshot needs."""
    has = {"sdk": offer.sdk, "runtime": offer.runtime, "python": offer.python}
    for name, text, where in declared.versions:
        yield from _check_version(name, text, where, has[name], offer.name)
    there = {SHIM: offer.sdk, **offer.distributions} if declared.compat else offer.distributions
    yield from _check_requirements(declared.requirements, offer, there)


def _check_version(
    name: Literal["sdk", "runtime", "python"], text: str, where: str, version: str, runtime: str
) -> Iterator[Obstacle]:
    try:
        wanted = SpecifierSet(text)
    except InvalidSpecifier:
        yield Obstacle(rule="settings", message=f"{where}: {text[:100]!r} is no version specifier, such as '>=1,<2'")
        return
    if not wanted.contains(version, prereleases=True):
        yield Obstacle(
            rule=name, message=f"{where}: {name} {text[:100]} is needed, and runtime {runtime} has {version}"
        )


def _check_requirements(
    lines: Iterable[tuple[str, str]], offer: RuntimeOffer, there: Mapping[str, str]
) -> Iterator[Obstacle]:
    surroundings = _surroundings(offer)
    for text, where in dict.fromkeys(lines):
        try:
            wanted = Requirement(text)
            counts = wanted.marker is None or wanted.marker.evaluate(cast("dict[str, str]", surroundings))
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            yield Obstacle(rule="requirement", message=f"{where}: {text[:200]!r} is no requirement")
            continue
        if counts:
            missing = _missing(wanted, there)
            if missing is not None:
                message = f"{where}: {str(wanted)[:200]} is needed, and runtime {offer.name} {missing}"
                yield Obstacle(rule="requirement", message=message)


def _missing(wanted: Requirement, there: Mapping[str, str]) -> str | None:
    version = there.get(canonicalize_name(wanted.name))
    if version is None:
        return f"does not have {wanted.name}"
    try:
        Version(version)
    except InvalidVersion:  # of a distribution from before versions had rules: there it is, at least
        return None
    return None if wanted.specifier.contains(version, prereleases=True) else f"has {version}"


def _surroundings(offer: RuntimeOffer) -> Environment:
    """Return what markers are held to: this machine with the runtime's Python."""
    found = default_environment()
    found["python_full_version"] = offer.python
    found["python_version"] = ".".join(offer.python.split(".")[:2])
    found["implementation_version"] = offer.python
    return found
