"""The program as a stranger runs it: the installed command, a server process, a model server on loopback."""

from __future__ import annotations

import copy
import itertools
import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

import commands
from commands import AEXL
from model_server import ModelServer

_visits = itertools.count(1)

CONFIG = """
[serve]
port = 0

[providers.openai]
type = "openai"
base_url = "{upstream}/v1"
api_key_env = "UPSTREAM_KEY"
private = true

[providers.anthropic]
type = "anthropic"
base_url = "{upstream}/v1"
api_key_env = "UPSTREAM_KEY"
private = true
"""

MODEL = """
[models."{name}"]
provider = "{provider}"
provider_model = "{name}"
price = {{ input = "1", output = "2" }}
limits = {{ context = 100000, output = {output} }}
"""

MODELS = [
    "gpt.plain", "gpt.no-usage", "gpt.cut", "gpt.slow", "gpt.reset", "gpt.status-400", "gpt.status-429",
    "gpt.status-500", "gpt.paced", "gpt.pause", "gpt.out-5000", "claude.plain", "claude.cut", "claude.paced",
]  # fmt: skip


class Program:
    """The command line with a home of its own, and a server beside it if one was started."""

    def __init__(self, home: Path, upstream: ModelServer) -> None:
        self.home = home
        self.upstream = upstream
        self.me = "alice"
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.log: list[str] = []
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self.environ = {**kept, "AEXL_HOME": str(home), "HOME": str(home.parent), "UPSTREAM_KEY": "sk-upstream-secret"}

    def configure(self, extra: str = "", *, output: int = 1000) -> None:
        models = (
            MODEL.format(name=name, provider="anthropic" if name.startswith("claude") else "openai", output=output)
            for name in MODELS
        )
        text = CONFIG.format(upstream=self.upstream.url) + "".join(models) + extra
        (self.home / "aexl.toml").write_text(text)

    def run(self, *arguments: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = commands.run(arguments, self.environ, cwd=cwd)
        if check and done.returncode != 0:
            raise AssertionError(f"aexl {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def start(self, *arguments: str) -> str:
        """Start the server and return its URL."""
        command = [AEXL, "serve", *(arguments or ("--port", "0"))]
        self.process = subprocess.Popen(
            command,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line)
            if found := re.search(r"serves (http://[^\s,]+)", line):
                self.url = found[1]
                break
        else:
            raise AssertionError(f"the server did not start:\n{''.join(self.log)}")
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,))
        self._reader.start()
        return self.url

    def _read(self, output: IO[str]) -> None:
        with output:
            self.log.extend(output)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the server and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the server to end and return its exit code."""
        assert self.process is not None
        code = self.process.wait(40)
        self._reader.join()
        self.process = None
        return code

    def agent(self, name: str | None = None, budget: str = "5", *options: str) -> str:
        """Create an agent and return its token."""
        return str(self.json("agent", "create", name or self.me, budget, *options)["token"])

    def inspect(self, name: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self.json("agent", "inspect", name or self.me)
        return found

    def visit(self) -> Program:
        """Return the running program as one more test sees it: an agent of its own, and nothing asked upstream yet."""
        visited = copy.copy(self)
        visited.me = f"alice-{next(_visits)}"
        self.upstream.requests.clear()
        return visited
