"""Builds the wheel, installs it into an empty environment, and tries it from an empty folder (``make wheel``).

What is missing from the wheel, or works only beside the repository, is found
here. The environment keeps the pinned requirements between runs, as long as
they are the same; aexl itself is installed anew each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / "build" / "wheel"
VENV: Final = ROOT / "build" / "wheel-venv"
REQUIREMENTS: Final = ROOT / "requirements" / "run.txt"
PATIENCE: Final = 20.0
"""Seconds in which a server must be ready, and gone."""


class Failed(Exception):
    """The wheel does not do what it must."""


def build() -> Path:
    """Build the wheel and return it."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(BUILD)], cwd=ROOT)
    (wheel,) = BUILD.glob("*.whl")
    return wheel


def install(wheel: Path) -> Path:
    """Install the requirements and the wheel into an environment of their own; return its folder of programs."""
    bin_folder = VENV / "bin"
    stamp = VENV / "requirements"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(VENV, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(VENV)])
        pip(bin_folder, "--require-hashes", "-r", str(REQUIREMENTS))
        stamp.write_text(wanted)
    pip(bin_folder, "--no-deps", "--force-reinstall", str(wheel))
    run([str(bin_folder / "python"), "-m", "pip", "check", "--disable-pip-version-check"])
    return bin_folder


def pip(bin_folder: Path, *arguments: str) -> None:
    """Install something."""
    run([str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments])


class Trial:
    """Uses the installed program in an empty folder, with a home of its own and nothing of ours in the environment."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin = bin_folder
        self._folder = folder / "empty"
        self._folder.mkdir()
        self._home = folder / "home"
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        self._environ = {name: os.environ[name] for name in kept if name in os.environ}
        self._environ["AEXL_HOME"] = str(self._home)

    def aexl(self, *arguments: str) -> str:
        """Run a command to its end and return what it printed."""
        return run([str(self._bin / "aexl"), *arguments], cwd=self._folder, env=self._environ)

    def python(self, code: str) -> str:
        """Run a line of Python in the environment."""
        return run([str(self._bin / "python"), "-I", "-c", code], cwd=self._folder, env=self._environ)

    def try_commands(self) -> None:
        """Try what needs no server."""
        expect(r"aexl \d+\.\d+\.\d+", self.aexl("--version"))
        usage = self.aexl("--help")
        for command in ("serve", "agent", "ledger", "models", "run", "doctor", "init"):
            expect(rf"\n +{command} ", usage)
        expect("wrote aexl.toml", self.aexl("init"))
        expect("already", self.aexl("init"))

    def try_imports(self) -> None:
        """Try that everything comes from the wheel, and that the tests' half needs pytest only when it is used."""
        place = self.python("import aexl; print(aexl.__file__)").strip()
        if not Path(place).is_relative_to(VENV):
            raise Failed(f"aexl comes from {place}, not from the wheel")
        self.python(
            "import aexl.testing, aexl.api, aexl.hookspecs, aexl.errors, sys; assert 'pytest' not in sys.modules"
        )
        packages = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/aexl_*/plugin.py"))
        self.python(f"import {', '.join(f'{package}.plugin' for package in packages)}")

    def try_server(self) -> None:
        """Serve the demo, make a call, read it back, and stop."""
        log = self._folder.parent / "serve.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(self._bin / "aexl"), "serve", "--demo", "--port", "0"],
                cwd=self._folder,
                env=self._environ,
                stdout=file,
                stderr=file,
            )
        try:
            url, token = wait_for_demo(process, log)
            execution = call(url, token)
            agents = json.loads(self.aexl("agent", "list", "--json"))
            if [agent["name"] for agent in agents] != ["demo"]:
                raise Failed(f"'aexl agent list --json' printed {agents}")
            expect(re.escape(execution), self.aexl("ledger", "show"))
            self.aexl("ledger", "verify")
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=PATIENCE)
        if code != 0:
            raise Failed(f"after SIGTERM the server ended with {code}:\n{log.read_text()}")
        expect("ok|sound|verified|events", self.aexl("ledger", "verify"))
        if "Traceback" in log.read_text():
            raise Failed(f"the server logged a traceback:\n{log.read_text()}")


def wait_for_demo(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """Return the address and the token that the server prints."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        text = log.read_text()
        url = re.search(r"OPENAI_BASE_URL=(http://[\d.]+:\d+)/v1", text)
        token = re.search(r"OPENAI_API_KEY=(aexl_\w+)", text)
        if url and token:
            return url[1], token[1]
        time.sleep(0.02)
    raise Failed(f"the demo did not start:\n{log.read_text()}")


def call(url: str, token: str) -> str:
    """Make one call and return its execution id."""
    body = {"model": "echo", "messages": [{"role": "user", "content": "Hello from a wheel"}]}
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        content: dict[str, Any] = json.load(answer)
        execution: str | None = answer.headers["x-aexl-execution-id"]
    expect("Hello from a wheel", content["choices"][0]["message"]["content"])
    if execution is None or answer.headers["x-aexl-cost-usd"] is None:
        raise Failed(f"the answer lacks its execution or its cost: {answer.headers}")
    return execution


def expect(pattern: str, text: str) -> None:
    """Look for a pattern in what was printed."""
    if re.search(pattern, text) is None:
        raise Failed(f"{pattern!r} is not in:\n{text}")


def run(command: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program to its end; return its standard output."""
    ran = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def main() -> int:
    """Build, install, try."""
    begun = time.monotonic()
    try:
        wheel = build()
        bin_folder = install(wheel)
        with tempfile.TemporaryDirectory(prefix="aexl-wheel-") as folder:
            trial = Trial(bin_folder, Path(folder))
            trial.try_commands()
            trial.try_imports()
            trial.try_server()
    except (Failed, subprocess.TimeoutExpired) as failed:
        sys.stderr.write(f"wheel: {failed}\n")
        return 1
    sys.stdout.write(f"wheel: {wheel.name} works on its own ({time.monotonic() - begun:.0f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
