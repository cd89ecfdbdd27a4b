"""Wheels of an index, by name: fetched by ``uv`` or ``pip``, whichever the machine has, one distribution at a time.

Neither is asked to resolve: each requirement that is neither the host's nor at hand is
fetched by itself, without what it requires in turn. So no second copy of a package of
the host's is ever fetched, and nobody looks for ``aexl`` on an index.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from aexl.api import ProcessSpec
from aexl.core.plugins.child import run_child
from aexl.core.plugins.download import Progress, download, is_address
from aexl.core.plugins.lock import plugins_folder, read_lock
from aexl.core.plugins.planning import plan_install
from aexl.core.plugins.requirements import host_distributions
from aexl.core.plugins.wheel import Wheel, read_wheel
from aexl.errors import Conflict, Unavailable

SECONDS: Final = 600.0
ROUNDS: Final = 20
"""How deep requirements of requirements may go."""

_KEPT_LINES: Final = 8

Fetch = Callable[[Sequence[str], Path], Sequence[Path]]
"""Fetches the wheels of some requirements into a folder, without what they require."""


def complete(home: Path, wheels: Sequence[Wheel], folder: Path, fetch: Fetch) -> list[Wheel]:
    """Return the wheels with those that they require and that are nowhere else.

    Raises:
        Conflict: If the requirements have no end.
        Unavailable: If one cannot be fetched.
    """
    root = plugins_folder(home)
    lock, host = read_lock(root), host_distributions(root)
    found = list(wheels)
    for _ in range(ROUNDS):
        missing = sorted({text for _, plan in plan_install(root, lock, found, host) for text in plan.missing})
        if not missing:
            return found
        found += [read_wheel(path) for path in fetch(missing, folder)]
    raise Conflict(f"{found[0].name} requires more than {ROUNDS} packages one through the other")


def find_fetch(progress: Progress) -> tuple[str, Fetch]:
    """Return the program that fetches, and how.

    Raises:
        Unavailable: If the machine has neither.
    """
    uv = shutil.which("uv")
    if uv is not None:
        return "uv", partial(_fetch_with_uv, uv, progress)
    if not getattr(sys, "frozen", False) and importlib.util.find_spec("pip") is not None:
        return "pip", partial(_fetch_with_pip, [sys.executable, "-m", "pip"])
    for name in ("pip3", "pip"):
        pip = shutil.which(name)
        if pip is not None:
            return name, partial(_fetch_with_pip, [pip])
    raise Unavailable(
        "a name of an index is fetched by uv or pip, and this machine has neither; give a wheel or an address"
    )


def _fetch_with_pip(pip: Sequence[str], requirements: Sequence[str], folder: Path) -> Sequence[Path]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        command = [*pip, "download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
        _run([*command, *_pip_target(pip), "--dest", name, *requirements])
        return [path.rename(folder / path.name) for path in sorted(Path(name).glob("*.whl"))]


def _pip_target(pip: Sequence[str]) -> Sequence[str]:
    """Return the options that make a pip of another Python choose for this one."""
    if pip[0] == sys.executable:
        return ()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    abi = f"cp{sys.version_info.major}{sys.version_info.minor}"
    from packaging.tags import platform_tags

    platforms = [option for tag in platform_tags() for option in ("--platform", tag)]
    fixed = ["--python-version", version, "--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none"]
    return [*fixed, *platforms]


def _fetch_with_uv(uv: str, progress: Progress, requirements: Sequence[str], folder: Path) -> Sequence[Path]:
    """Have uv choose, and fetch what it chose; its lock has addresses and hashes."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        wanted, chosen = Path(name, "requirements.in"), Path(name, "pylock.toml")
        wanted.write_text("".join(f"{requirement}\n" for requirement in requirements))
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        command = [uv, "pip", "compile", str(wanted), "--no-deps", "--only-binary", ":all:", "--no-header"]
        command += ["--python-version", version, "--format", "pylock.toml", "--output-file", str(chosen), "--quiet"]
        _run([*command, *_uv_platform()])
        lock = tomllib.loads(chosen.read_text())
    found = []
    for package in lock.get("packages", ()):
        wheel = _best(package.get("wheels", ()))
        if wheel is None:
            raise Unavailable(f"the index has no wheel of {package['name']} {package.get('version')} for this Python")
        found.append(_take(wheel, folder, progress))
    return found


def _uv_platform() -> Sequence[str]:
    """Name the platform: the Python that uv finds may be one for another C library."""
    machine = sysconfig.get_platform().rpartition("-")[2]
    return ["--python-platform", f"{machine}-manylinux_2_28"] if platform.libc_ver()[0] == "glibc" else []


def _wheel_name(wheel: dict[str, object]) -> str:
    place = str(wheel.get("url") or wheel.get("path"))
    return str(wheel.get("name") or unquote(urlsplit(place).path.rpartition("/")[2]))


def _best(wheels: Sequence[dict[str, object]]) -> dict[str, object] | None:
    """Return the wheel whose tag stands first among those of this interpreter."""
    from packaging.tags import sys_tags
    from packaging.utils import parse_wheel_filename

    order = {tag: number for number, tag in enumerate(sys_tags())}
    ranked = [
        (min(order[tag] for tag in tags), number)
        for number, wheel in enumerate(wheels)
        if (tags := parse_wheel_filename(_wheel_name(wheel))[3] & order.keys())
    ]
    return wheels[min(ranked)[1]] if ranked else None


def _take(wheel: dict[str, object], folder: Path, progress: Progress) -> Path:
    place = str(wheel.get("url") or wheel.get("path"))
    if not is_address(place) or place.startswith("file://"):
        local = Path(unquote(urlsplit(place).path))
        path = Path(shutil.copy(local, folder / local.name))
    else:
        path = download(place, folder, progress)
    hashes = wheel.get("hashes")
    sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
    read_wheel(path, sha256=sha256)
    return path


def _run(command: Sequence[str]) -> None:
    """Run a foreign program to its end, and everything it started.

    Raises:
        Unavailable: If it fails or takes too long; has the end of what it said.
    """
    env = {**os.environ, "PIP_NO_COLOR": "1"}
    spec = ProcessSpec(argv=command, env=env, cwd=Path(tempfile.gettempdir()), cancel=((15, 2.0),))
    ended = run_child(spec, seconds=SECONDS, lines=_KEPT_LINES, output=True)
    if ended.status != 0:
        limit = f"did not end within {SECONDS:g} seconds"
        why = limit if ended.status is None else f"ended with exit code {ended.status}"
        raise Unavailable("\n".join((f"{Path(command[0]).name} {why}", *ended.said)))
