"""What an interpreter says of itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from aexl.errors import Unavailable

OLDEST: Final = (3, 11)
"""What the worker and ``aexl.sdk`` are written for."""

_TIME: Final = 60.0
"""Seconds; to compile the worker for an interpreter takes one or two where the machine is busy."""

_PROGRAM: Final = """
import json, os, sys
said = {"version": list(sys.version_info[:3])}
if sys.version_info >= (3, 11):
    from importlib import metadata
    import compileall, sysconfig
    if len(sys.argv) > 1:
        os.umask(0o022)  # a worker may be another user
        compileall.compile_dir(sys.argv[1], quiet=2)
    said["packages"] = {one.name: one.version for one in metadata.distributions() if one.name}
    said["sites"] = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    said["paths"] = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix] + sys.path
print(json.dumps(said))
"""
"""Any Python 3 can run it; in isolation, so that neither variables nor the user's own packages count."""


class Answered(NamedTuple):
    """What an interpreter is.

    Attributes:
        packages: Versions of the distributions that it has, by normalised name.
        readable: What it reads: a worker of it must see these.
        sites: Where its packages are installed.
    """

    version: str
    packages: Mapping[str, str]
    readable: tuple[str, ...]
    sites: tuple[str, ...]


def inquire(name: str, python: Path, compiling: Path | None = None) -> Answered:
    """Ask an interpreter what it is and has. Blocks.

    Args:
        name: The runtime's.
        compiling: A folder of modules to compile for it.

    Raises:
        Unavailable: If it cannot be asked, or is too old; names the runtime.
    """
    words = [str(python), "-I", "-c", _PROGRAM, *([str(compiling)] if compiling else [])]
    environment = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    try:
        done = subprocess.run(  # what the server's owner has configured
            words, capture_output=True, timeout=_TIME, env=environment, stdin=subprocess.DEVNULL, check=False
        )
        said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the runtime {name!r} does not work: {python} says nothing for {_TIME:g} seconds") from None
    except (OSError, ValueError, IndexError) as error:
        raise Unavailable(f"the runtime {name!r} does not work: {python}: {error}") from error
    if said is None:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise Unavailable(f"the runtime {name!r} does not work: {python}: {lines[-1][:300]}")
    version = ".".join(str(number) for number in said["version"])
    if tuple(said["version"][:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise Unavailable(f"the runtime {name!r} is Python {version}; handlers need {oldest} or later")
    paths = [path for path in said["paths"] if Path(path).exists()]
    readable = dict.fromkeys([*_links(python), *paths, *(os.path.realpath(path) for path in paths)])
    packages = {re.sub(r"[-_.]+", "-", name).lower(): each for name, each in said["packages"].items()}
    return Answered(version, dict(sorted(packages.items())), tuple(readable), tuple(said["sites"]))


def _links(python: Path) -> list[str]:
    """Return the names that an interpreter is reached by: itself, what it links to, and so on."""
    found = [str(python)]
    while Path(found[-1]).is_symlink() and len(found) < 40:
        found.append(os.path.normpath(Path(found[-1]).parent / Path(found[-1]).readlink()))
    return [*found, os.path.realpath(python)]
