"""A real PostgreSQL on a loopback port, for as long as a block is open.

The programs are those that the package ``pgserver`` brings, else those on the path;
where there are none, ``find_programs`` returns ``None``, and tests skip.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "postgres-secret-41c7"
NOBODY = 65534


def find_programs() -> Path | None:
    """Return the folder with ``initdb`` and ``postgres``."""
    brought = importlib.util.find_spec("pgserver")
    if brought is not None and brought.origin is not None:
        folder = Path(brought.origin).parent / "pginstall" / "bin"
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Run a server; yields the URL of a database, with the password of its owner in it."""
    # PostgreSQL does not run as root; a short path, because it is that of a socket too.
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        if as_nobody:
            for path in (folder, folder / "password"):
                os.chown(path, NOBODY, NOBODY)
        data = folder / "data"
        options = [
            "--no-sync",
            "--auth=scram-sha-256",
            "--username=aexl",
            f"--pwfile={folder / 'password'}",
            "-E",
            "UTF8",
        ]
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": name}
        command = [programs / "initdb", "-D", data, *options]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environ, **as_nobody)
        port = _free_port()
        command = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", name, "-F"]
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_nobody
        )
        try:
            url = f"postgresql://aexl:{PASSWORD}@127.0.0.1:{port}/postgres"
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    end = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.05)
