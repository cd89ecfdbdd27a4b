"""Trying a plugin in a process of its own, which it may crash, hold up or end without any harm."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from aexl.api import ProcessSpec
from aexl.api.programs import own_module
from aexl.core.plugins.child import run_child
from aexl.core.plugins.worker import ANSWER_NAME, Order, Verdict, Verdicts
from aexl.errors import Unavailable

LOAD_SECONDS: Final = 30.0
COMPILE_SECONDS: Final = 300.0
"""10,000 modules, the limit, take 100 s at 10 ms each; a busy machine takes three times that."""

_KEPT_LINES: Final = 20
"""Of what the plugin wrote to standard error."""

_VARIABLES: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""No key of the machine is in the environment of a plugin that is only being tried."""


def try_plugins(order: Order, *, seconds: float = LOAD_SECONDS) -> Verdicts:
    """Load plugins and ask their hooks; one that harms the process gets a reason, like one that raises.

    Args:
        order: ``home`` is made here.
    """
    with tempfile.TemporaryDirectory(prefix="aexl-trial-", ignore_cleanup_errors=True) as name:
        home = Path(name, "home")
        home.mkdir(mode=0o700)
        answer, problem = _run(msgspec.structs.replace(order, home=str(home)), Path(name), seconds)
    if problem is None and answer.keys() >= {point.name for point in order.points}:
        return answer
    return {point.name: Verdict(reason=problem or "its process gave no answer") for point in order.points}


def compile_folder(folder: Path, final: Path, *, seconds: float = COMPILE_SECONDS) -> None:
    """Compile the modules of a folder that will be called ``final``.

    Raises:
        Unavailable: If that cannot be done, or not within the time.
    """
    with tempfile.TemporaryDirectory(prefix="aexl-trial-") as name:
        _, problem = _run(Order(folder=str(folder), final=str(final)), Path(name), seconds)
    if problem is not None:
        raise Unavailable(f"the modules in {folder} cannot be compiled: {problem}")


def _run(order: Order, folder: Path, seconds: float) -> tuple[Verdicts, str | None]:
    path = folder / "order.json"
    path.write_bytes(msgspec.json.encode(order))
    spec = ProcessSpec(
        argv=[*own_module("aexl.core.plugins.worker"), str(path)],
        env={**_kept(os.environ), "AEXL_HOME": order.home or str(folder)},
        cwd=folder,
        cancel=(),
    )
    ended = run_child(spec, seconds=seconds, lines=_KEPT_LINES)
    if ended.status is None:
        return {}, f"it did not come to an end within {seconds:g} seconds"
    try:
        answer = msgspec.json.decode((folder / ANSWER_NAME).read_bytes(), type=Verdicts)
    except (OSError, msgspec.MsgspecError):
        return {}, f"{_describe(ended.status)}{_last(ended.said)}"
    return answer, None


def _kept(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _VARIABLES if name in environ}


def _describe(status: int) -> str:
    if status < 0:
        return f"it crashed its process ({signal.Signals(-status).name})"
    return f"it ended its process with exit code {status}"


def _last(said: Sequence[str]) -> str:
    lines = [line.strip() for line in said if line.strip()]
    return f": {lines[-1][:500]}" if lines else ""
