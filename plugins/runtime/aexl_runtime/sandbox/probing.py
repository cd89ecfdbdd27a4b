"""What this machine lets this user do, as it was found out by trying each layer, and is kept."""

from __future__ import annotations

import json
import os
import sys
from typing import Final

from aexl_runtime.sandbox.ports import Layer, Probed

CACHE_NAME: Final = "sandbox.json"
"""In ``AEXL_HOME``: what the machine was found to be able to do."""

_VERSION: Final = 1
"""Of the file in which findings are kept."""
_LIMIT_SECONDS: Final = 20.0
_TRYING: Final = "aexl_runtime.sandbox.trying"

_known: dict[int, Probed] = {}


def probe(cache: str | os.PathLike[str] | None = None) -> Probed:
    """Return what this machine lets this user do. Blocks for some tenths of a second the first time.

    What is found is kept for the process's life, and in ``cache``, a file in a folder that only this user can
    write, until the machine is started again. It may be out of date: entering a sandbox checks every layer
    again by using it, and refuses where one fails.

    Raises:
        Unavailable: If the child that tries gives no answer.
    """
    user = os.geteuid()
    if user not in _known:
        kept = _read(cache) if cache is not None else None
        _known[user] = kept if kept is not None else _ask()
        if cache is not None and kept is None:
            _keep(cache, _known[user])
    return _known[user]


def _ask() -> Probed:
    import subprocess  # slow to import, and seldom needed; so below

    from aexl.api.programs import own_environment, own_module
    from aexl.errors import Unavailable

    try:
        done = subprocess.run(
            own_module(_TRYING),
            env={"PATH": os.defpath, **own_environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"what this machine offers for a sandbox could not be found out: {error}") from error
    return _from_json(json.loads(done.stdout))


def to_json(probed: Probed) -> dict[str, object]:
    """Return findings as plain values."""
    return {name: getattr(probed, name) for name in Probed._fields}


def _from_json(record: dict[str, object]) -> Probed:
    values = dict(record)
    problems, accounts = values.pop("problems"), values.pop("accounts")
    assert isinstance(problems, dict)
    assert isinstance(accounts, list)
    made = {Layer(name): str(reason) for name, reason in problems.items()}
    return Probed(problems=made, accounts=(accounts[0], accounts[1]), **values)  # type: ignore[arg-type]  # as to_json wrote


def _key() -> list[object]:
    """Return what findings depend on: the machine's start, its kernel, the user, our control groups, our own program."""
    started, groups = (_text(path) for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/cgroup"))
    return [_VERSION, started, os.uname().release, os.geteuid(), groups, os.path.realpath(sys.executable)]


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _read(cache: str | os.PathLike[str]) -> Probed | None:
    try:
        with open(cache, "rb") as file:
            record = json.load(file)
        return _from_json(record["probed"]) if record["key"] == _key() else None
    except (OSError, ValueError, KeyError, TypeError, AssertionError):
        return None  # none yet, or of another version: it is written anew


def _keep(cache: str | os.PathLike[str], probed: Probed) -> None:
    import tempfile

    text = json.dumps({"key": _key(), "probed": to_json(probed)})
    folder = os.path.dirname(cache)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.replace(name, cache)
