"""Programs under measurement: each in a process of its own, with what it uses of processor and memory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import traffic

HERE: Final = Path(__file__).parent
AEXL: Final = str(Path(sys.executable).with_name("aexl"))
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
READY: Final = 120.0
"""Seconds within which a program must have printed its address: a tracer makes it fifty times as slow."""

CONFIG: Final = """\
[serve]
port = 0

[providers.bench]
type = "openai"
base_url = "{upstream}/v1"
private = true

[providers.bench-messages]
type = "anthropic"
base_url = "{upstream}/v1"
private = true

[models.{model}]
provider = "bench"
provider_model = "{model}"
price = {{ input = "0.25", cached_input = "0.025", output = "2" }}
limits = {{ context = 131072, output = 8192 }}

[models.{messages}]
provider = "bench-messages"
provider_model = "{messages}"
price = {{ input = "3", cached_input = "0.3", output = "15" }}
limits = {{ context = 200000, output = 8192 }}
"""


def environment(home: Path | None = None) -> Mapping[str, str]:
    """Return our own environment without what would change a measurement: proxies, and aexl's variables."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("AEXL_")
    }
    return kept if home is None else {**kept, "AEXL_HOME": str(home), "AEXL_LOG": "WARNING"}


@dataclass(kw_only=True)
class Server:
    """A running program that listens."""

    name: str
    url: str
    token: str
    process: subprocess.Popen[bytes]
    pid: int
    log: Path

    def cpu(self) -> tuple[float, float]:
        """Return the seconds of processor time used so far: all of it, and what the system used for us."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        user, system = int(fields[11]) * TICK, int(fields[12]) * TICK
        return user + system, system

    def memory(self) -> float:
        """Return the resident memory in MB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1000 if found else 0.0

    def load(self, shape: traffic.Shape, clients: int, *, seconds: float = 0.0, requests: int = 0) -> dict[str, Any]:
        """Run the load generator against it; its result has our ``cpu`` and ``system`` time per request in µs too."""
        cpu, system = self.cpu()
        command = [sys.executable, str(HERE / "load.py"), self.url, "--shape", shape, "--clients", str(clients)]
        command += ["--seconds", str(seconds), "--requests", str(requests), "--token", self.token]
        ran = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
        result: dict[str, Any] = json.loads(ran.stdout)
        cpu_after, system_after = self.cpu()
        result["cpu"] = (cpu_after - cpu) * 1e6 / max(result["requests"], 1)
        result["system"] = (system_after - system) * 1e6 / max(result["requests"], 1)
        return result

    def stop(self) -> None:
        """End it with TERM."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            self.process.wait(timeout=30)


def start_script(name: str, *arguments: str, folder: Path, under: Sequence[str] = (sys.executable,)) -> Server:
    """Start one of the programs beside this file; ``under`` is what runs it."""
    return _start(name, [*under, str(HERE / f"{name}.py"), *arguments], environment(), folder / f"{name}.log")


def make_home(home: Path, upstream: str, *, off: Sequence[str] = ()) -> None:
    """Make a home whose models are served by the scripted upstream."""
    home.mkdir(mode=0o700, parents=True)
    plugins = f"\n[plugins]\noff = {json.dumps(list(off))}\n" if off else ""
    config = CONFIG.format(upstream=upstream, model=traffic.MODEL, messages=traffic.MESSAGES_MODEL)
    (home / "aexl.toml").write_text(config + plugins)


def create_agent(home: Path) -> str:
    """Create an agent with a budget that no benchmark reaches, and return its token."""
    command = [AEXL, "agent", "create", "bench", "100000", "--json"]
    ran = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=True)
    token: str = json.loads(ran.stdout)["token"]
    return token


def start_aexl(name: str, home: Path, *, token: str = "none", under: Sequence[str] = (), port: int = 0) -> Server:
    """Start ``aexl serve`` with a home; ``under`` is the command of a tracer that starts it."""
    command = [*under, AEXL, "serve", "--port", str(port)]
    server = _start(name, command, environment(home), home / "serve.log")
    server.token = token
    for child in _children(server.pid) if under else []:  # some tracers run it themselves
        server.pid = int(child)
    return server


def _start(name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> Server:
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    end = time.monotonic() + READY
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"http://[\d.]+:\d+", log.read_text())
        if found:
            return Server(name=name, url=found[0], token="none", process=process, pid=process.pid, log=log)
        time.sleep(0.01)
    process.kill()
    raise SystemExit(f"{name} did not start:\n{log.read_text()}")


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
