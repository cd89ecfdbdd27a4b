"""From what was typed to wheels that were read: files, addresses, names of an index."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from aexl.core.plugins.download import (
    Progress,
    address_digest,
    check_digest,
    download,
    is_address,
    shown_address,
)
from aexl.core.plugins.wheel import Wheel, read_wheel
from aexl.errors import Invalid


@dataclass(frozen=True, slots=True)
class Collected:
    """Wheels, and by the name of each what it was asked for by."""

    wheels: list[Wheel]
    sources: dict[str, str]


def collect(home: Path, what: Sequence[str], sha256: Sequence[str], folder: Path) -> Collected:
    """Fetch and read what was asked for; with names of an index among it, also what that requires.

    Args:
        sha256: None, or one for each.
        folder: Where fetched wheels go.

    Raises:
        NotFound: If there is no such file.
        Invalid: If a wheel is not acceptable, or an argument is none of the three.
        Unavailable: If something cannot be fetched.
    """
    if sha256 and len(sha256) != len(what):
        raise Invalid(f"--sha256 is given {len(sha256)} times for {len(what)} wheels; give it once for each, or not")
    digests: list[str | None] = [check_digest(text) for text in sha256] or [None] * len(what)
    collected = Collected([], {})
    named = False
    for text, digest in zip(what, digests, strict=True):
        if is_address(text):
            path, source = _fetch(text, folder), shown_address(text)
            digest = digest or address_digest(text)
        elif _is_file(text):
            path, source = Path(text), Path(text).name
        else:
            path, source, named = _take_from_index(text, folder), text, True
        wheel = read_wheel(path, sha256=digest)
        collected.wheels.append(wheel)
        collected.sources[wheel.name] = source
    if named:
        from aexl.core.plugins.index import complete, find_fetch

        with _progress() as progress:
            collected.wheels[:] = complete(home, collected.wheels, folder, find_fetch(progress)[1])
    return collected


def _is_file(text: str) -> bool:
    return text.endswith(".whl") or "/" in text or Path(text).exists()


def _fetch(url: str, folder: Path) -> Path:
    with _progress() as progress:
        return download(url, folder, progress)


def _take_from_index(text: str, folder: Path) -> Path:
    from aexl.core.plugins.index import find_fetch

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise Invalid(f"{text!r} is neither a wheel's file, nor an address, nor a name of an index") from error
    with _progress() as progress:
        program, fetch = find_fetch(progress)
        sys.stderr.write(f"asking {program} for {text}\n")
        found = fetch([str(requirement)], folder)
    if len(found) != 1:
        raise Invalid(f"{program} found {len(found)} wheels for {text!r} in place of one")
    return found[0]


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show how far a download is, where a person is looking."""
    if not sys.stderr.isatty():
        yield _say_nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    with Bar(BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda count, total: bar.update(task, completed=count, total=total)


def _say_nothing(count: int, total: int | None) -> None:
    """Nobody is looking."""
    del count, total
