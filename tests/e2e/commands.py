"""Commands of the installed program at a third of their price: a process that has imported it makes a child for each.

Nine tenths of a short command's work are imports. So the first command of a test run starts a
process that imports what every command does, and from then on each command is a fork of it: a
process of its own, with the environment, folder, arguments and standard files that it is given,
which runs ``main()`` as the installed script does and ends as it ends. What is about starting,
about processes or about the terminal does not come here: it starts the script itself.

Run as a program, this file is that process.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

AEXL: Final = Path(sys.executable).with_name("aexl")
PLAIN: Final = frozenset({"agent", "auth", "deploy", "info", "integrations", "ledger", "metrics", "models", "snapshot"})
"""The commands that may come here: they ask a server or read and write files, and end."""
OFTEN: Final = (
    "aexl.core.cli.main", "aexl.core.host", "aexl.core.remote", "aexl.core.session", "aexl.core.surroundings",
    "aexl_ledger.agents", "aexl_ledger.cli_agent", "aexl_ledger.cli_ledger", "aexl_ledger.verify", "aexl_plane.cli.auth",
    "aexl_plane.client.target", "aexl_snapshots.cli.history", "aexl_snapshots.worktree.committing", "apsw",
    "email.parser", "http.client", "tomllib", "trio", "urllib.request",
)  # fmt: skip
"""What many of them import beside their plugins' fronts."""
LONGEST: Final = 1 << 16
_lock = threading.Lock()


def run(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    cwd: Path | None = None,
    program: Path = AEXL,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run ``aexl`` to its end, from a fork where that is the installed script and the command is a plain one.

    Raises:
        TimeoutExpired: If it takes longer than ``timeout`` seconds; it was killed.
    """
    words = [str(program), *map(str, arguments)]
    changed = any(name.startswith("PYTHON") for name in environ)  # what an interpreter reads when it starts
    if program != AEXL or changed or not arguments or arguments[0] not in PLAIN:
        return subprocess.run(
            words, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
    asked = json.dumps({"words": words, "environ": dict(environ), "cwd": os.fspath(cwd or Path.cwd())}).encode()
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with theirs, _lock:
            socket.send_fds(_ready(), [asked], [out.fileno(), err.fileno(), theirs.fileno()])
        ours.settimeout(timeout)
        with ours.makefile() as told:
            pid = int(told.readline())
            try:
                code = int(told.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(words, timeout) from None
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


@functools.cache
def _ready() -> socket.socket:
    """Start the process, and return the socket that it takes commands from; it ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__], stdin=theirs, stdout=subprocess.DEVNULL, env=kept, cwd="/"
        )

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours


def _serve() -> None:
    """Make a child for each command that comes; return in that child, with everything as it must be for ``main()``."""
    asking = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    while True:
        asked, files, _, _ = socket.recv_fds(asking, LONGEST, 3)
        if not asked:
            os._exit(0)
        if os.fork() == 0:
            asking.close()
            if _is_command(files):
                return _become(json.loads(asked))
            os._exit(0)
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # those that have ended since
                pass


def _is_command(files: Sequence[int]) -> bool:
    """Fork again, so that commands may run side by side: true in the command; who waits for it tells its pid and code."""
    out, err, told = files
    pid = os.fork()
    if pid == 0:
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, max(files) + 1)
        return True
    os.write(told, f"{pid}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(told, f"{code}\n".encode())
    return False


def _become(asked: Mapping[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(asked["environ"])
    os.chdir(asked["cwd"])
    sys.argv[:] = asked["words"]
    sys.path[0] = str(AEXL.parent)


def _import() -> None:
    """Import what commands do: the host's side of the command line, every plugin's front, and what many go on with."""
    from importlib import import_module
    from importlib.metadata import entry_points

    for found in entry_points(group="aexl.plugins"):
        import_module(found.module)
    for name in OFTEN:
        import_module(name)
    gc.freeze()


if __name__ == "__main__":
    _import()
    _serve()
    from aexl.__main__ import main

    sys.exit(main())
