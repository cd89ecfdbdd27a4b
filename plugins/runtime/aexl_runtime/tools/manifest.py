"""Manifests of tools that are programs of their own: what runs, what it costs, what it may do."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexl.errors import Invalid

_NANOS_PER_MICRO: Final = 1000
_MOST_COST: Final = 10_000_000
"""Micro-dollars."""

_MOST_TIME: Final = (100, 60_000)
_MOST_OUTPUT: Final = (1000, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A tool's manifest.

    Attributes:
        folder: Where the manifest is: all that the program sees, beside ``readable``.
        words: The program and its arguments; the paths of input and output follow.
        entry: The file whose SHA-256 the manifest names.
        price: Nano-dollars.
        output: Bytes of output that are read.
        network: It may open connections.
    """

    name: str
    version: str
    folder: Path
    words: tuple[str, ...]
    entry: Path
    sha256: str
    price: int
    seconds: float
    output: int
    network: bool
    readable: tuple[str, ...]

    def check(self) -> None:
        """Make sure that the program is the one that the manifest means; to be called before each run. Blocks.

        Raises:
            Invalid: If it has changed, or cannot be read.
        """
        try:
            found = hashlib.sha256(self.entry.read_bytes()).hexdigest()
        except OSError as error:
            raise Invalid(f"{self.entry} cannot be read: {error.strerror}") from error
        if found != self.sha256:
            raise Invalid(f"{self.entry} has changed: its SHA-256 is {found}, and its manifest says {self.sha256}")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest: YAML with ``name``, ``version``, ``entrypoint``, ``sha256``, and limits. Blocks.

    Raises:
        Invalid: If it is none; says what is wrong.
    """
    table = _table(path)
    folder = path.resolve().parent
    words = tuple(shlex.split(_text(table, "entrypoint")))
    beside = [word for word in words if _is_beside(folder, word)]
    if not beside:
        raise Invalid(f"{path}: entrypoint names no file beside the manifest: {' '.join(words)!r}")
    entry = folder / beside[0]
    return Manifest(
        name=_text(table, "name"),
        version=_text(table, "version"),
        folder=folder,
        words=tuple(str(folder / word) if word in beside else word for word in words),
        entry=entry,
        sha256=_text(table, "sha256").lower(),
        price=_number(table, ("cost_micro", "estimated_cost_micro"), 500, 0, _MOST_COST) * _NANOS_PER_MICRO,
        seconds=_number(table, ("ttl_ms",), 3000, *_MOST_TIME) / 1000,
        output=_number(table, ("max_output_bytes",), 65536, *_MOST_OUTPUT),
        network=_choice(table),
        readable=_paths(table),
    )


def _is_beside(folder: Path, word: str) -> bool:
    path = (folder / word).resolve()
    return not Path(word).is_absolute() and path.is_relative_to(folder) and path.is_file()


def _table(path: Path) -> Mapping[str, object]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not path.is_absolute():
        raise Invalid(f"the path of a manifest must be absolute, not {str(path)!r}")
    try:
        found = YAML(typ="safe", pure=True).load(path.read_text())
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from error
    except (YAMLError, ValueError) as error:
        raise Invalid(f"{path} is not YAML: {error}") from error
    if not isinstance(found, dict):
        raise Invalid(f"{path} is not a manifest: it must be a table")
    return found


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
        raise Invalid(f"the manifest needs {key!r}")
    return str(value)


def _number(table: Mapping[str, object], keys: tuple[str, ...], default: int, least: int, most: int) -> int:
    for key in keys:
        value = table.get(key)
        if value is not None:
            if type(value) is not int or not least <= value <= most:
                raise Invalid(f"the manifest's {key} must be from {least} to {most}, not {value!r}")
            return value
    return default


def _choice(table: Mapping[str, object]) -> bool:
    value = table.get("net_policy", "deny")
    if value not in ("deny", "allow"):
        raise Invalid(f"the manifest's net_policy must be deny or allow, not {value!r}")
    return value == "allow"


def _paths(table: Mapping[str, object]) -> tuple[str, ...]:
    value = table.get("allowed_fs") or []
    if not isinstance(value, list) or not all(isinstance(each, str) and Path(each).is_absolute() for each in value):
        raise Invalid("the manifest's allowed_fs must be a list of absolute paths")
    return tuple(value)
