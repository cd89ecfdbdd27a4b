"""Environments made by ``uv``: aside, and renamed when they are whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from aexl.errors import Unavailable
from aexl_runtime.runtimes.aside import made_aside
from aexl_runtime.runtimes.tables import FOLDER, Environment

Tell = Callable[[str], None]
"""Takes a line of what ``uv`` says."""


def make_environment(environment: Environment, tell: Tell) -> bool:
    """Make an environment; return whether it was not there yet. Blocks, and uses the network.

    Killed at any moment, it leaves no environment, or a whole one.

    Raises:
        Unavailable: If the machine has no ``uv``, or it fails; says what it said last.
    """
    if environment.folder.is_dir():
        return False
    uv = shutil.which("uv")
    if uv is None:
        raise Unavailable(
            "environments are made by 'uv', which is not on PATH: install it (docs.astral.sh/uv), "
            "or make one yourself and name it with 'venv'"
        )
    with made_aside(environment.folder) as aside:
        _make(uv, environment, aside, tell)
    return True


def prune(home: Path, used: Iterable[Path]) -> list[Path]:
    """Remove the environments that no runtime names, and return them."""
    kept = set(used)
    gone = [path for path in sorted((home / FOLDER).glob("env-*")) if path not in kept]
    for path in gone:
        shutil.rmtree(path)
    return gone


def _make(uv: str, environment: Environment, aside: Path, tell: Tell) -> None:
    wanted = aside / "requirements.txt"
    wanted.write_text("".join(f"{line}\n" for line in environment.requirements), "utf-8")
    # Relocatable, because it is renamed; copied, because a worker sees the environment and not uv's cache.
    venv = [uv, "venv", "--allow-existing", "--relocatable", "--python", environment.python, str(aside)]
    _run(venv, tell)
    install = [uv, "pip", "install", "--python", str(aside / "bin" / "python"), "--link-mode", "copy"]
    _run([*install, "--requirement", str(wanted)], tell)


def _run(words: list[str], tell: Tell) -> None:
    last: list[str] = []
    with subprocess.Popen(  # uv, with what the server's owner has configured
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environ(),
        text=True,
        umask=0o022,  # a worker may be another user; the way to it is closed to all others
    ) as process:
        try:
            for line in process.stdout or ():
                last = [*last[-4:], line.strip()]
                tell(line.rstrip("\n"))
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise Unavailable(f"'uv {words[1]}' ended with status {process.returncode}: {' '.join(last)[-1000:]}")


def _environ() -> dict[str, str]:
    """Return the environment without what only the executable's own children need."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("_PYI_", "LD_LIBRARY_PATH"))}
