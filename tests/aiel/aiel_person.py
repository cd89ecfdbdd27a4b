"""A person with the ``aiel`` client, and a server for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from model_server import ModelServer
from program import Program

INSTALLED: Final = Path(__file__).parents[2] / "build" / "aiel" / "bin"


class Person:
    """Someone with the client, a home and folders of their own."""

    def __init__(self, folder: Path, url: str, tenant: dict[str, Any]) -> None:
        self.folder = folder
        self.url = url
        self.token = str(tenant["token"])
        self.client = INSTALLED / "aiel"
        self.home = folder / "person"
        path = self.home / ".config" / "aiel" / "credentials.json"
        path.parent.mkdir(parents=True)
        # The only way to point the client at a server: it has no flag and no variable for that.
        profile = {
            "base_url": url,
            "token": self.token,
            "user": tenant["user"]["email"],
            "tenant": tenant["tenant"]["name"],
            "workspace": {**tenant["workspace"], "name": tenant["workspace"]["slug"]},
            "project": {**tenant["project"], "name": tenant["project"]["slug"]},
        }
        path.write_text(json.dumps({"version": 1, "current_profile": "default", "profiles": {"default": profile}}))
        self.environ = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }

    def aiel(self, *arguments: str, at: str = "one", status: int = 0) -> str:
        """Run the client in a folder; return what it printed."""
        place = self.folder / at
        place.mkdir(exist_ok=True)
        command = [self.client, *arguments]
        done = subprocess.run(
            command,
            check=False,
            cwd=place,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, f"aiel {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def python(self, code: str, **values: str) -> str:
        """Run a program with the SDK; return what it printed."""
        environ = {**self.environ, **values}
        command = [str(INSTALLED / "python"), "-c", code]
        done = subprocess.run(
            command, check=False, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def serving(home: Path) -> Iterator[Program]:
    """Run a server."""
    with ModelServer() as upstream:
        made = Program(home, upstream)
        (home / "aexl.toml").write_text("[serve]\nport = 0\n")
        made.start()
        yield made
        if made.process is not None:
            made.stop(signal.SIGKILL)
