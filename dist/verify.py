"""Tries every promise of the executable: ``python dist/verify.py dist/out/aexl``.

One line for each promise: ``ok``, ``skip`` with the reason, or ``FAIL`` with what went wrong.
The program runs with an environment of its own, in an empty home and an empty folder;
nothing of the repository is within its reach. This file needs the standard library alone
and may be copied to another machine, with the wheels of ``examples/plugins`` (``--wheels``).

It is one file, however long, because it is copied. The promises and their ids stand in ``docs/reference/executable.md``. An id without a check
here, or the other way round, is a failure, too.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import html
import http.client
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

PATIENCE: Final = 30.0
"""Seconds in which a program must be ready, or gone."""

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "reference" / "executable.md"
EXAMPLES: Final = ROOT / "examples" / "plugins"
ROW: Final = re.compile(r"^\| `(EXE-\d\d)` \| (.+?) \|$", re.MULTILINE)

SLOW_ECHO: Final = """
[providers.slow]
type = "echo"
delay = 0.2

[models.slow]
provider = "slow"
provider_model = "echo"
free = true
limits = { context = 1000, output = 100 }
"""

CLIENT: Final = """
import sys
from openai import OpenAI

client = OpenAI()
said = [{"role": "user", "content": "Hello from a client"}]
whole = client.chat.completions.create(model="echo", messages=said)
parts = client.chat.completions.create(model="echo", messages=said, stream=True)
streamed = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
print(whole.choices[0].message.content, "/", streamed)
sys.exit(7 if "--seven" in sys.argv else 0)
"""

PLAIN_CLIENT: Final = """
import json, os, sys, urllib.request

def ask(stream):
    body = {"model": "echo", "stream": stream, "messages": [{"role": "user", "content": "Hello from a client"}]}
    headers = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(urllib.request.Request(url, json.dumps(body).encode(), headers)).read().decode()

whole = json.loads(ask(False))["choices"][0]["message"]["content"]
events = [json.loads(line[6:]) for line in ask(True).splitlines() if line.startswith("data: {")]
print(whole, "/", "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]))
sys.exit(7 if "--seven" in sys.argv else 0)
"""

POOL: Final = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor

def double(number):
    return 2 * number

if __name__ == "__main__":
    for method in ("spawn", "forkserver", "fork"):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            print(method, list(pool.map(double, [1, 2, 3])))
"""

LIBRARY: Final = """
import importlib, sys, warnings

warnings.simplefilter("ignore")
ELSEWHERE = {  # other systems, screens, tests, what installs with pip, and two that do something when imported
    "_winapi", "msilib", "msvcrt", "nt", "ossaudiodev", "winreg", "winsound", "idlelib", "tkinter", "turtle",
    "turtledemo", "distutils", "ensurepip", "antigravity", "this", "nis",
}
names = [name for name in sys.stdlib_module_names if not name.startswith("_") and name not in ELSEWHERE]
missing = []
for name in sorted(names):
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(f"{name}: {error}")
print(len(names), "modules;", "missing:", missing or "none")
"""

LIVING: Final = """
from aexl.api import Mount
from aexl.hookspecs import Plugin, hookimpl


class Sometimes(Plugin):
    @hookimpl
    def aexl_routes(self, host):
        if (host.data_dir / "break").exists():
            raise RuntimeError("broken on purpose")
        return []
"""


class Failed(Exception):
    """A promise is not kept; says how."""


class Skipped(Exception):
    """A promise cannot be tried here; says why."""


class Promise(NamedTuple):
    """A sentence, the function that tries it, and the shapes that make the promise."""

    sentence: str
    check: Callable[[Trial], str | None]
    shapes: tuple[str, ...]


PROMISES: Final[dict[str, Promise]] = {}
EVERY: Final = ("onefile", "onedir", "script")
FROZEN: Final = ("onefile", "onedir")


def promise(identifier: str, sentence: str, *shapes: str) -> Callable[[Callable[[Trial], str | None]], None]:
    """Register a check under the id that its promise has in the docs."""

    def register(check: Callable[[Trial], str | None]) -> None:
        assert identifier not in PROMISES
        PROMISES[identifier] = Promise(sentence, check, shapes or EVERY)

    return register


class Server(NamedTuple):
    """A server that runs: its process, its address, and a token of its demo agent."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    log: Path


class Trial:
    """The program in an empty world: runs it, keeps what several promises share, and tidies up."""

    def __init__(self, exe: Path, wheels: Path | None) -> None:
        self.exe = exe
        self.shape = shape_of(exe)
        self.folder = Path(tempfile.mkdtemp(prefix="aexl-verify-"))
        self.home = self.new_home("home")
        self.environ = self.world(self.home)
        self._given_wheels = wheels
        self.running: list[subprocess.Popen[bytes]] = []

    def new_home(self, name: str) -> Path:
        """Make a user's empty home; ``.aexl`` in it does not exist."""
        home = self.folder / name
        for below in ("empty", "tmp"):
            (home / below).mkdir(parents=True)
        return home

    def world(self, home: Path, **more: str) -> dict[str, str]:
        """Return the whole environment of a program."""
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home / "tmp"), **more}

    def run(
        self, *arguments: str | Path, home: Path | None = None, code: int | None = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run aexl to its end; ``code`` is the exit code it must have, ``None`` any but 0."""
        return self.program(self.exe, *arguments, home=home, code=code, **environ)

    def program(
        self,
        *command: str | Path,
        home: Path | None = None,
        code: int | None = 0,
        cwd: Path | None = None,
        **environ: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run any program to its end in the empty world."""
        place = home or self.home
        ran = subprocess.run(
            [str(word) for word in command], cwd=cwd or place / "empty", env=self.world(place, **environ),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 * PATIENCE, check=False,
        )  # fmt: skip
        good = ran.returncode != 0 if code is None else ran.returncode == code
        if not good or "Traceback" in ran.stderr:
            raise Failed(f"{' '.join(map(str, command[1:]))} ended with {ran.returncode}: {last_lines(ran)}")
        return ran

    def script(self, name: str, text: str) -> Path:
        """Write a program of a user's."""
        path = self.folder / name
        path.write_text(text)
        return path

    @contextmanager
    def server(self, home: Path) -> Iterator[Server]:
        """Run ``aexl serve --demo``; at the end it must go within its time and with exit code 0."""
        server = self.start(home)
        try:
            yield server
        finally:
            self.stop(server)

    def start(self, home: Path) -> Server:
        """Start ``aexl serve --demo`` on a free port, and wait until it says how to use it."""
        log = home / "serve.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(self.exe), "serve", "--demo", "--port", "0"],
                cwd=home / "empty", env=self.world(home), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        self.running.append(process)
        found = wait_for(lambda: self._announced(process, log), f"the server is not ready: {log.read_text()[-500:]}")
        return Server(process, found[1], found[2], log)

    @staticmethod
    def _announced(process: subprocess.Popen[bytes], log: Path) -> re.Match[str] | None:
        if process.poll() is not None:
            raise Failed(f"the server ended with {process.returncode}: {log.read_text()[-500:]}")
        return re.search(r"OPENAI_BASE_URL=(http://[\d.]+:\d+)/v1 OPENAI_API_KEY=(\S+)", log.read_text())

    def stop(self, server: Server) -> None:
        """Send SIGTERM, and hold the server to a clean end."""
        server.process.send_signal(signal.SIGTERM)
        self.see_end(server)

    @staticmethod
    def see_end(server: Server) -> None:
        """Wait for the server's end; it must be clean."""
        code = server.process.wait(timeout=PATIENCE)
        if code != 0 or "Traceback" in server.log.read_text():
            raise Failed(f"after SIGTERM the server ended with {code}: {server.log.read_text()[-500:]}")

    def close(self) -> None:
        """End what still runs and remove every file."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def demo(self) -> Server:
        """A demo server that several promises share; the last of them stops it."""
        return self.start(self.home)

    @cached_property
    def wheels(self) -> dict[str, Path]:
        """The wheels of the three examples, by their names; built where none were given."""
        folder = self._given_wheels
        if folder is None:
            folder = self.folder / "wheels"
            build_examples(self.folder / "sources", folder)
        found = {path.name.split("-")[0].removeprefix("aexl_"): path for path in folder.glob("aexl_*.whl")}
        missing = {"handbook", "keyguard", "wallboard"} - set(found)
        if missing:
            raise Failed(f"{folder} has no wheel of {', '.join(sorted(missing))}")
        return found

    @cached_property
    def plugged(self) -> Server:
        """A demo server with the three examples installed, in a home of its own."""
        if (self.folder / "plugged").exists():
            raise Failed("the examples could not be installed; see the first promise about them")
        home = self.new_home("plugged")
        (home / "notes").mkdir()
        (home / "notes" / "rules.md").write_text("# Leave\n\nAsk your lead for leave two weeks before it begins.\n")
        for wheel in self.wheels.values():
            self.run("plugin", "install", wheel, home=home)
        (home / ".aexl" / "aexl.toml").write_text(
            f'[providers.handbook]\ntype = "handbook"\nfolder = "{home}/notes"\nsynonyms = {{ holiday = "leave" }}\n'
            '[models.handbook]\nprovider = "handbook"\nprovider_model = "handbook"\nfree = true\n'
            "limits = { context = 100000, output = 1000 }\n"
        )
        return self.start(home)


def shape_of(exe: Path) -> str:
    """Return ``onefile``, ``onedir``, or ``script`` for aexl installed with pip."""
    with exe.open("rb") as file:
        if file.read(2) == b"#!":
            return "script"
    return "onedir" if (exe.resolve().parent / "_internal").is_dir() else "onefile"


def wait_for(look: Callable[[], Any], otherwise: str) -> Any:
    """Return the first true answer of ``look``, asked for ``PATIENCE`` seconds."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise Failed(otherwise)


def last_lines(ran: subprocess.CompletedProcess[str]) -> str:
    """Return the end of what a program printed, in one line."""
    return " | ".join((ran.stdout + ran.stderr).strip().splitlines()[-4:])


def expect(pattern: str, text: str) -> re.Match[str]:
    """Look for a pattern in what was printed."""
    found = re.search(pattern, text)
    if found is None:
        raise Failed(f"{pattern!r} is not in {' | '.join(text.strip().splitlines()[-6:])!r}")
    return found


def get(url: str, token: str | None = None, body: object = None) -> tuple[int, str, Mapping[str, str]]:
    """Ask once, without any proxy; an error status is an answer."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - the server that was started here
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def chat(server: Server, model: str, text: str) -> tuple[int, str]:
    """Make one call; return its status and what was said, or the error's sentence."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    status, answer, _ = get(f"{server.url}/v1/chat/completions", server.token, body)
    value = json.loads(answer)
    return status, value["choices"][0]["message"]["content"] if status == 200 else json.dumps(value["error"])


def make_wheel(
    folder: Path, name: str, *, tag: str = "py3-none-any", source: str = LIVING, requires: str = "aexl"
) -> Path:
    """Write a wheel with one plugin in one module, by the standard alone."""
    info, files = f"aexl_{name}-1.0.dist-info", {}
    files[f"aexl_{name}.py"] = source
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: aexl-{name}\nVersion: 1.0\nRequires-Dist: {requires}\n"
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: verify\nRoot-Is-Purelib: true\nTag: {tag}\n"
    files[f"{info}/entry_points.txt"] = f"[aexl.plugins]\n{name} = aexl_{name}:Sometimes\n"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.writerow((path, f"sha256={digest}", len(text.encode())))
    rows.writerow((f"{info}/RECORD", "", ""))
    files[f"{info}/RECORD"] = record.getvalue()
    folder.mkdir(exist_ok=True)
    wheel = folder / f"aexl_{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def build_examples(sources: Path, wheels: Path) -> None:
    """Build the examples' wheels with a Python that has their build backends, offline."""
    if not EXAMPLES.is_dir():
        raise Failed("the examples' wheels are needed: give their folder with --wheels")
    pythons = (Path(sys.executable), ROOT / ".venv" / "bin" / "python")
    python = next((path for path in pythons if can_import(path, "hatchling, setuptools, pip")), None)
    if python is None:
        raise Failed("building the examples needs hatchling and setuptools; or give their wheels with --wheels")
    shutil.copytree(EXAMPLES, sources, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    command = [str(python), "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "-w", str(wheels), *map(str, sorted(sources.iterdir()))]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Failed(f"the examples cannot be built: {last_lines(ran)}")


def can_import(python: Path, modules: str) -> bool:
    """Return whether a Python is there and has some modules."""
    return (
        python.exists()
        and subprocess.run([python, "-c", f"import {modules}"], capture_output=True, check=False).returncode == 0
    )


def find_client(trial: Trial) -> tuple[list[str | Path], str]:
    """Return a program that makes two calls by ``OPENAI_BASE_URL``, and what it uses for them."""
    for python in (Path(sys.executable), ROOT / ".venv" / "bin" / "python"):
        if can_import(python, "openai"):
            return [python, "-I", trial.script("client.py", CLIENT)], "the openai SDK"
    return [sys.executable, "-I", trial.script("client.py", PLAIN_CLIENT)], "urllib; the openai SDK is not installed"


@promise("EXE-01", "`aexl --version` prints the version.")
def version(trial: Trial) -> str | None:
    return expect(r"^aexl (\d+\.\d+\.\d+)\n$", trial.run("--version").stdout)[1]


@promise(
    "EXE-02",
    "`aexl --help` lists the commands of the host and of the built-in plugins, and `aexl doctor` finds nothing wrong.",
)
def help_page(trial: Trial) -> str | None:
    usage = trial.run("--help").stdout
    for command in ("agent", "doctor", "init", "ledger", "models", "plugin", "run", "serve"):
        expect(rf"\n +{command} ", usage)
    trial.run("init", home=trial.new_home("init"))
    trial.run("doctor", home=trial.folder / "init")
    return None


@promise("EXE-03", "`aexl serve --demo` serves in an empty home, without a network and without a key.")
def demo(trial: Trial) -> str | None:
    status, answer, _ = get(f"{trial.demo.url}/ready")
    if status != 200:
        raise Failed(f"/ready answers {status}: {answer}")
    return None


@promise("EXE-04", "A real client's calls are answered, whole and as a stream, and have a cost.")
def client(trial: Trial) -> str | None:
    command, what = find_client(trial)
    environ = {"OPENAI_BASE_URL": f"{trial.demo.url}/v1", "OPENAI_API_KEY": trial.demo.token}
    ran = trial.program(*command, **environ)
    expect("^Hello from a client / Hello from a client$", ran.stdout.strip())
    expect(r"committed[^\n]*\$?0\.0*[1-9]", trial.run("ledger", "show").stdout)
    return f"by {what}"


@promise("EXE-05", "`aexl run` puts a program under an agent's budget without a change to it, and ends as it ends.")
def run_program(trial: Trial) -> str | None:
    assert trial.demo
    command, _ = find_client(trial)
    ran = trial.run(
        "run", "--agent", "demo", "--budget", "1", "--", *command, "--seven", code=7, OPENAI_API_KEY="sk-mine"
    )
    expect("Hello from a client / Hello from a client", ran.stdout)
    return None


@promise(
    "EXE-06",
    "Programs that aexl starts get the environment that it was started with, without anything of the executable's own.",
)
def clean_environment(trial: Trial) -> str | None:
    assert trial.demo
    for given in ({}, {"LD_LIBRARY_PATH": "/opt/mine"}):
        shown = trial.run("run", "--agent", "demo", "--", "/usr/bin/env", **given).stdout
        variables = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if variables.get("LD_LIBRARY_PATH") != given.get("LD_LIBRARY_PATH"):
            raise Failed(f"LD_LIBRARY_PATH is {variables.get('LD_LIBRARY_PATH')!r} in the program")
        if strange := [name for name in variables if name.startswith(("_PYI", "_MEI", "PYINSTALLER", "PYTHON"))]:
            raise Failed(f"the program sees {', '.join(strange)}")
    return None


@promise("EXE-07", "`aexl ledger verify` proves the ledger, beside a running server and without one.")
def verify_ledger(trial: Trial) -> str | None:
    assert trial.demo
    trial.run("ledger", "verify")
    trial.stop(trial.demo)
    return expect(r"(\d+) events?", trial.run("ledger", "verify").stdout)[0]


@promise("EXE-08", "SIGTERM lets running calls end, settles them, and ends the server with exit code 0.")
def drain(trial: Trial) -> str | None:
    home = trial.new_home("drain")
    (home / ".aexl").mkdir(mode=0o700)
    (home / ".aexl" / "aexl.toml").write_text(SLOW_ECHO)
    server = trial.start(home)
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "one two three four"}]}
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE)
    headers = {"authorization": f"Bearer {server.token}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    begin = answer.read1()
    server.process.send_signal(signal.SIGTERM)
    rest = answer.read()
    connection.close()
    if not begin or not rest.endswith(b"data: [DONE]\n\n"):
        raise Failed(f"the stream ended with {rest[-100:]!r}")
    trial.see_end(server)  # a second signal would not be as patient
    expect("committed", trial.run("ledger", "show", home=home).stdout)
    return None


@promise("EXE-09", "`aexl daemon start` starts a server that lives on when everything it was started from is gone.")
def daemon(trial: Trial) -> str | None:
    home = trial.new_home("daemon")
    with (home / "starter.log").open("wb") as log:
        starter = subprocess.Popen(
            ["/bin/sh", "-c", f"'{trial.exe}' daemon start --port 0 && echo started; exec sleep 60"],
            cwd=home / "empty", env=trial.world(home), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    trial.running.append(starter)
    said = home / "starter.log"
    wait_for(lambda: "started" in said.read_text(), f"the daemon did not start: {said}")
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    url = json.loads(trial.run("daemon", "status", "--json", home=home).stdout)["url"]
    try:
        for path, wanted in (("/ready", 200), ("/v1/models", 401)):  # the second imports what the first did not need
            if (status := get(f"{url}{path}")[0]) != wanted:
                raise Failed(f"{path} answers {status}")
    finally:
        trial.run("daemon", "stop", home=home)
    return None


@promise(
    "EXE-10",
    "`aexl __worker__ FILE` runs a Python program with its arguments, and the host's own packages are there.",
    *FROZEN,
)
def worker(trial: Trial) -> str | None:
    text = "import sys, trio, msgspec, apsw, psycopg, obstore\nprint(sys.version_info[:2], __name__, sys.argv[1:])\nsys.exit(3)"
    ran = trial.run("__worker__", trial.script("worker.py", text), "a b", "--help", code=3)
    return expect(r"^(\(\d+, \d+\)) __main__ \['a b', '--help'\]$", ran.stdout.strip())[1]


@promise("EXE-11", "A program run so may use process pools of every kind.", *FROZEN)
def pool(trial: Trial) -> str | None:
    said = trial.run("__worker__", trial.script("pool.py", POOL)).stdout.splitlines()
    if said != (wanted := [f"{kind} [2, 4, 6]" for kind in ("spawn", "forkserver", "fork")]):
        raise Failed(f"the program said {said}, not {wanted}")
    return None


@promise("EXE-12", "The whole standard library is there, but for screens, tests and what installs with pip.", *FROZEN)
def library(trial: Trial) -> str | None:
    return expect(r"(\d+ modules); missing: none", trial.run("__worker__", trial.script("library.py", LIBRARY)).stdout)[
        1
    ]


@promise(
    "EXE-13",
    "`aexl plugin new` makes a project that passes its own tests and builds its wheel, with no Python beside the executable.",
)
def new_plugin(trial: Trial) -> str | None:
    home = trial.new_home("author")
    trial.run("plugin", "new", "hello", home=home)
    project = home / "empty" / "hello"
    if shutil.which("make"):
        ran = trial.program("make", "test", "wheel", cwd=project, home=home)
    else:
        ran = trial.run("plugin", "test", "--folder", project, home=home)
        trial.run("plugin", "wheel", "--folder", project, home=home)
    passed = expect(r"(\d+ passed)", ran.stdout)[1]
    [wheel] = (project / "dist").glob("*.whl")
    trial.run("plugin", "install", wheel, home=home)
    expect(r"\nhello +0\.1\.0 +wheel aexl-hello +on +provider_types", trial.run("plugin", "list", home=home).stdout)
    return passed


@promise(
    "EXE-14", "A plugin's wheel is installed with its hash in the ledger, and is on with its hooks at the next start."
)
def installed(trial: Trial) -> str | None:
    assert trial.plugged
    home = trial.folder / "plugged"
    rows = {row["name"]: row for row in json.loads(trial.run("plugin", "list", "--json", home=home).stdout)}
    for name in trial.wheels:
        if rows.get(name, {}).get("state") != "on" or not rows[name]["hooks"]:
            raise Failed(f"{name} is {rows.get(name)}")
    events = trial.run("ledger", "tail", "-n", "50", "--json", home=home).stdout
    for wheel in trial.wheels.values():
        expect(hashlib.sha256(wheel.read_bytes()).hexdigest(), events)
    trial.run("plugin", "check", home=home)
    return None


@promise(
    "EXE-15", "A plugin may bring a C extension and use any module of the standard library: a provider answers calls."
)
def provider(trial: Trial) -> str | None:
    status, said = chat(trial.plugged, "handbook", "When must I ask for holiday?")
    if status != 200 or "two weeks before" not in said:
        raise Failed(f"the handbook answered {status}: {said}")
    return None


@promise("EXE-16", "A plugin may refuse calls: a gate's sentence and code reach the client.")
def gate(trial: Trial) -> str | None:
    status, said = chat(trial.plugged, "echo", "use AKIA" + "A1" * 8)
    if status != 403 or "key_in_request" not in said or "an AWS access key" not in said:
        raise Failed(f"the gate answered {status}: {said}")
    if chat(trial.plugged, "echo", "use no key") != (200, "use no key"):
        raise Failed("the gate refuses an ordinary call")
    return None


@promise("EXE-17", "A plugin may serve pages, for those whose token may read them.")
def page(trial: Trial) -> str | None:
    url = f"{trial.plugged.url}/wallboard"
    status, text, _ = get(url, trial.plugged.token)
    if status != 200 or "<td>demo</td>" not in text:
        raise Failed(f"the page answered {status}: {text[:200]}")
    if (status := get(url)[0]) != 401:
        raise Failed(f"without a token the page answers {status}")
    return None


@promise("EXE-18", "A removed plugin is gone: from the list, from the disk, and from the next start.")
def removed(trial: Trial) -> str | None:
    trial.stop(trial.plugged)
    home = trial.folder / "plugged"
    (home / ".aexl" / "aexl.toml").unlink()
    for name in trial.wheels:
        trial.run("plugin", "remove", name, home=home)
    listed = trial.run("plugin", "list", home=home).stdout
    left = [path for path in (home / ".aexl" / "plugins").rglob("*") if any(name in path.name for name in trial.wheels)]
    if left or any(name in listed for name in trial.wheels):
        raise Failed(f"still there: {listed} {left}")
    with trial.server(home) as server:
        if (status := get(f"{server.url}/wallboard", server.token)[0]) != 404:
            raise Failed(f"the page answers {status}")
    return None


@promise(
    "EXE-19",
    "A wheel for another Python, platform or aexl, or with another hash than given, is refused before it is unpacked.",
)
def refused(trial: Trial) -> str | None:
    home, folder = trial.new_home("refusing"), trial.folder / "refused"
    for wheel, why, *more in (
        (make_wheel(folder, "old", tag="cp39-cp39-manylinux_2_17_x86_64"), "cp39|Python"),
        (make_wheel(folder, "far", tag="cp311-cp311-win_amd64"), "win_amd64|platform"),
        (make_wheel(folder, "late", requires="aexl>=99"), "aexl"),
        (make_wheel(folder, "other", requires="no-such-package"), "no-such-package"),
        (make_wheel(folder, "sum"), "(?i)sha-?256", "--sha256", "0" * 64),
    ):
        expect(why, trial.run("plugin", "install", wheel, *more, home=home, code=None).stderr)
    if left := list((home / ".aexl").rglob("aexl_*")):
        raise Failed(f"something was unpacked: {left}")
    return None


@promise(
    "EXE-20", "A plugin that breaks is switched off and named with the reason; the server starts and serves without it."
)
def broken(trial: Trial) -> str | None:
    home = trial.new_home("broken")
    trial.run("plugin", "install", make_wheel(trial.folder / "made", "sometimes"), home=home)
    (home / ".aexl" / "break").touch()
    expect(r"sometimes.*off.*broken on purpose", trial.run("plugin", "list", home=home).stdout)
    with trial.server(home) as server:
        if chat(server, "echo", "still here") != (200, "still here"):
            raise Failed("the server does not answer")
    (home / ".aexl" / "break").unlink()
    return None


@promise(
    "EXE-21",
    "A file of an installed plugin that was changed switches the plugin off, by its name; `aexl plugin check` finds it.",
)
def changed(trial: Trial) -> str | None:
    home = trial.new_home("changed")
    trial.run("plugin", "install", make_wheel(trial.folder / "made", "sometimes"), home=home)
    [module] = (home / ".aexl" / "plugins").rglob("aexl_sometimes.py")
    module.chmod(0o600)
    module.write_text(LIVING.replace("on purpose", "by a stranger"))
    expect(r"sometimes.*off.*aexl_sometimes\.py", trial.run("plugin", "list", home=home).stdout)
    expect("aexl_sometimes.py", trial.run("plugin", "check", home=home, code=None).stdout)
    with trial.server(home) as server:
        expect("ready", get(f"{server.url}/ready")[1])
    return None


@promise("EXE-22", "It runs from any folder, and through a link.")
def anywhere(trial: Trial) -> str | None:
    link = trial.folder / "my aexl"
    link.symlink_to(trial.exe.resolve())
    trial.program(link, "models", "list", cwd=Path("/"))
    return None


@promise(
    "EXE-23",
    "In a `TMPDIR` that is mounted noexec it says so in a sentence, and runs from another folder where there is one.",
    "onefile",
)
def noexec(trial: Trial) -> str | None:
    with noexec_folder() as folder:
        ran = trial.run("version", TMPDIR=str(folder))
        expect(rf"{re.escape(str(folder))} is mounted noexec.*Set TMPDIR to", ran.stderr)
        left = [path.name for path in folder.iterdir() if path.name.startswith("_MEI")]
    if left:
        raise Failed(f"it left {left} there")
    return None


@contextmanager
def noexec_folder() -> Iterator[Path]:
    """Give out an empty folder that is mounted noexec: one that is there, or a mount of our own."""
    for place in ("/dev/shm", "/run/lock", f"/run/user/{os.getuid()}"):  # noqa: S108 - where noexec is usual
        if os.access(place, os.W_OK) and os.statvfs(place).f_flag & os.ST_NOEXEC:
            with tempfile.TemporaryDirectory(prefix="aexl-verify-", dir=place) as name:
                yield Path(name)
            return
    with tempfile.TemporaryDirectory(prefix="aexl-verify-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", "noexec,mode=1777", "tmpfs", name]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            raise Skipped("no folder here is mounted noexec, and this user cannot mount one")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], capture_output=True, check=False)


@promise("EXE-25", "`aexl snapshot` keeps a project, pushes it to a folder, and clones it elsewhere byte by byte.")
def snapshot(trial: Trial) -> str | None:
    home = trial.new_home("snapshots")
    return carry(trial, home, str(home / "store"))


KEYS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@promise("EXE-26", "The same with a bucket: what speaks to object stores is inside.", *FROZEN)
def bucket(trial: Trial) -> str | None:
    home = trial.new_home("bucket")
    with bucket_server() as endpoint:
        url = f"s3://verify/store?endpoint={endpoint}&region=us-east-1"
        return carry(trial, home, url, **KEYS)


def carry(trial: Trial, home: Path, url: str, **environ: str) -> str:
    """Take a project from its first snapshot to a clone; return what was compared."""
    project, clone = home / "project", home / "clone"
    (project / "below").mkdir(parents=True)
    (project / "below" / "data").write_bytes(os.urandom(300_000))
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)

    def aexl(*words: str | Path) -> str:
        return trial.program(trial.exe, "snapshot", *words, home=home, cwd=project, **environ).stdout

    aexl("init")
    aexl("add", ".")
    aexl("commit", "-m", "one")
    aexl("remote", "add", "origin", url)
    aexl("push")
    aexl("clone", url, clone)
    one, other = files_of(project), files_of(clone)
    if one != other or not one:
        raise Failed(f"the clone has {sorted(other)}, the project {sorted(one)}, or their bytes differ")
    expect("Sound", aexl("check", "origin", "--read-data"))
    return f"{len(one)} files"


def files_of(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Return the files of a project, and which may be run; not the snapshots themselves."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), os.access(path, os.X_OK))
        for path in folder.rglob("*")
        if path.is_file() and ".aexl" not in path.relative_to(folder).parts
    }


@contextmanager
def bucket_server() -> Iterator[str]:
    """Serve one bucket in memory, as far as snapshots need one: conditional writes, ranges and lists."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Bucket(http.server.BaseHTTPRequestHandler):
    """What S3 answers, without looking at signatures."""

    protocol_version = "HTTP/1.1"
    blobs: Final[dict[str, bytes]] = {}
    lock: Final = threading.Lock()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def key(self) -> str:
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).removeprefix("/verify/")

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            there = self.blobs.get(self.key)
            wanted = self.headers["If-Match"]
            if (self.headers["If-None-Match"] and there is not None) or (wanted and wanted != etag(there)):
                return self.answer(412)
            self.blobs[self.key] = data
        return self.answer(200, ETag=etag(data))

    def do_GET(self) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if "list-type" in query:
            return self.list(query.get("prefix", [""])[0])
        data = self.blobs.get(self.key)
        if data is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        head = {"ETag": etag(data), "Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if asked is None:
            return self.answer(200, data, **head)
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if first > last:
            return self.answer(416, b"<Error><Code>InvalidRange</Code></Error>")
        return self.answer(206, data[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(data)}", **head)

    def do_HEAD(self) -> None:
        self.do_GET()

    def list(self, prefix: str) -> None:
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{html.escape(etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            for key, data in sorted(self.blobs.items())
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        self.answer(200, body.encode(), Content_Type="application/xml")

    def do_DELETE(self) -> None:
        self.blobs.pop(self.key, None)
        self.answer(204)

    def do_POST(self) -> None:
        """Delete several at once, which is the only thing that is posted."""
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        keys = [html.unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", text)]
        for key in keys:
            self.blobs.pop(key, None)
        gone = "".join(f"<Deleted><Key>{html.escape(key)}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode(), Content_Type="application/xml")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def etag(data: bytes | None) -> str:
    """Return a version, in quotes; nothing has none."""
    return "" if data is None else f'"{hashlib.sha256(data).hexdigest()[:32]}"'


HANDLERS: Final = """
from aexl.sdk import mcp_server, tool


@tool("slugify")
def slugify(ctx, title: str) -> dict:
    print("to the log")
    return {"slug": "-".join(title.lower().split())}


@tool("ask")
async def ask(ctx, payload):
    answer = await ctx.model_async("echo", payload["say"], max_tokens=20)
    return {"text": answer.text, "execution": answer.execution}


@tool("reach")
def reach(ctx, payload):
    import os, socket

    tried = {}
    for name, attempt in {
        "home": lambda: open(payload["secret"]),
        "write": lambda: open(os.path.join(os.path.dirname(__file__), "mine"), "w"),
        "network": lambda: socket.create_connection(("127.0.0.1", payload["port"]), 1),
    }.items():
        try:
            attempt()
        except OSError:
            tried[name] = "refused"
        else:
            tried[name] = "done"
    return {**tried, "environment": "aexl" if any("AEXL_HOME" in name for name in os.environ) else "clean"}


mcp_server("words", tools=["slugify"])
"""


def invoke(trial: Trial, home: Path, handler: str, event: object, *options: str) -> dict[str, Any]:
    """Run a handler of the project ``HANDLERS``; it has to end well, and confined."""
    project = trial.folder / "handlers"
    project.mkdir(exist_ok=True)
    (project / "entry_point.py").write_text(HANDLERS)
    words = ["--kind", "tool", "--handler", handler, "--event", json.dumps(event), *options]
    answer: dict[str, Any] = json.loads(trial.run("runtime", "invoke", project, *words, home=home).stdout)
    if "network" not in answer["meta"]["sandbox"]["enforced"]:
        raise Failed(f"the handler was not confined: {answer['meta']['sandbox']}")
    return answer


@promise(
    "EXE-27",
    "`aexl runtime` describes a project's handlers and runs them confined, without a server; so does the runner.",
)
def handlers(trial: Trial) -> str | None:
    answer = invoke(trial, trial.home, "slugify", {"title": "Hello World"})
    if answer["result"] != {"slug": "hello-world"}:
        raise Failed(f"the handler answered {answer['result']}")
    project = trial.folder / "handlers"
    described = json.loads(trial.run("runtime", "describe", project).stdout)["result"]
    if described["tools"] != ["ask", "reach", "slugify"]:
        raise Failed(f"the project was described as {described}")
    words = ["__worker__", "-m", "aexl_runtime.runner", "--action", "describe"]
    if (
        trial.shape in FROZEN
        and json.loads(trial.run(*words, EP_FILES_ROOT=str(project)).stdout)["result"] != described
    ):
        raise Failed("the runner describes it differently")
    return f"{len(answer['meta']['sandbox']['enforced'])} controls enforced"


@promise(
    "EXE-28",
    "Beside a server its worker is kept, and the model that a handler asks is paid by an agent under the run's id.",
)
def kept_handlers(trial: Trial) -> str | None:
    home = trial.new_home("runtime")
    with trial.server(home):
        answers = []
        for run in ("run-1", "run-2"):
            answers.append(invoke(trial, home, "ask", {"say": "hello"}, "--agent", "demo", "--request-id", run))
            told = answers[-1]["result"]
            shown = json.loads(trial.run("ledger", "show", told["execution"], "--json", home=home).stdout)
            if (told["text"], shown["labels"]) != ("hello", {"invocation": run}):
                raise Failed(f"the model's answer was {told}, its execution {shown}")
    if answers[1]["meta"]["cold_start"]:
        raise Failed("the second run had no worker ready for it")
    return f"{answers[1]['meta']['duration_ms']} ms"


@promise(
    "EXE-29", "What a handler may not reach, it does not reach: the home, the project's files to write, the network."
)
def kept_in(trial: Trial) -> str | None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        secret = trial.home / "secret.txt"
        secret.write_text("mine")
        secret.chmod(0o644)
        event = {"secret": str(secret), "port": listening.getsockname()[1]}
        reached = invoke(trial, trial.home, "reach", event)["result"]
    if reached != {"home": "refused", "write": "refused", "network": "refused", "environment": "clean"}:
        raise Failed(f"a handler reached {reached}")
    return None


@promise("EXE-30", "`aexl runtime mcp` lists and calls a project's tools over standard input and output.")
def mcp_tools(trial: Trial) -> str | None:
    invoke(trial, trial.home, "slugify", {"title": "A"})
    said = [
        {"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {},
         "clientInfo": {"name": "verify", "version": "1"}}},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
        {"id": 3, "method": "tools/call", "params": {"name": "slugify", "arguments": {"title": "Hello World"}}},
    ]  # fmt: skip
    command = [str(trial.exe), "runtime", "mcp", str(trial.folder / "handlers")]
    with subprocess.Popen(
        command, cwd=trial.home / "empty", env=trial.environ,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        killer = threading.Timer(PATIENCE, process.kill)
        killer.start()
        process.stdin.writelines(json.dumps({"jsonrpc": "2.0", **each}) + "\n" for each in said)
        process.stdin.flush()
        answers: dict[object, Any] = {}
        for line in process.stdout:
            answers[json.loads(line).get("id")] = json.loads(line)
            if 3 in answers:
                break
        killer.cancel()
        process.stdin.close()
    if 3 not in answers or [tool["name"] for tool in answers[2]["result"]["tools"]] != ["slugify"]:
        raise Failed(f"it answered {answers}")
    expect("hello-world", json.dumps(answers[3]))
    return None


@promise(
    "EXE-31",
    "From an empty folder: `auth`, `init --project`, `snapshot push`, `deploy`, a handler over HTTP, a rollback, a replay.",
)
def project(trial: Trial) -> str | None:
    home = trial.new_home("plane")
    root = home / "empty"

    def aexl(*words: str, code: int | None = 0) -> Any:
        ran = trial.run(*words, home=home, code=code)
        return json.loads(ran.stdout) if "--json" in words else ran.stderr

    with trial.server(home) as server:
        token = aexl("auth", "bootstrap", "--json")["token"]
        aexl("init", "--project")
        aexl("snapshot", "push")
        aexl("deploy", "dev")

        def call() -> str:
            status, body, _ = get(f"{server.url}/apps/main/demo/dev/hello/ann", token)
            return body if status == 200 else f"{status} {body}"

        before = call()
        execution = aexl("deploy", "executions", "--json")["executions"][0]["id"]
        text = (root / "entry_point.py").read_text()
        (root / "entry_point.py").write_text(text.replace('{"hello": ', '{"greeted": '))
        for words in (["add", "."], ["commit", "-m", "otherwise"], ["push"]):
            aexl("snapshot", *words)
        aexl("deploy", "dev")
        after = call()
        changes = aexl("deploy", "replay", execution, "--environment", "dev", "--json", code=1)["changes"]
        (root / "entry_point.py").write_text(text + "\n\n@tool('bad')\ndef bad(payload):\n    pass\n")
        for words in (["add", "."], ["commit", "-m", "bad"], ["push"]):
            aexl("snapshot", *words)
        expect("tool:bad must accept at least 2 args", aexl("deploy", "dev", code=2))
        aexl("deploy", "rollback", "dev")
        answers = [json.loads(each) for each in (before, after, call())]
    if answers != [{"hello": "ann"}, {"greeted": "ann"}, {"hello": "ann"}]:
        raise Failed(f"the handler answered {answers}")
    if [change["path"] for change in changes] != ["/result/hello", "/result/greeted"]:
        raise Failed(f"the replay differs in {changes}")
    return None


@promise("EXE-32", "A handler runs under another Python of the machine, with that one's packages and not aexl's.")
def other_python(trial: Trial) -> str | None:
    python = next(
        (path for name in ("python3", "python3.13", "python3.12", "python3.11") for path in _pythons(name)), None
    )
    if python is None:
        raise Skipped("this machine has no Python of 3.11 or later")
    home = trial.new_home("other")
    venv = trial.folder / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", str(venv)], check=True, capture_output=True)
    site = next(venv.glob("lib/python3*/site-packages"))
    (site / "nowhere_else.py").write_text("VALUE = 42\n")
    (home / ".aexl").mkdir(mode=0o700)
    (home / ".aexl" / "aexl.toml").write_text(f'[runtimes.science]\nvenv = "{venv}"\n')
    folder = trial.folder / "other-project"
    folder.mkdir()
    (folder / "entry_point.py").write_text(
        "import nowhere_else, sys\nfrom aexl.sdk import tool\n\n\n@tool('where')\ndef where(ctx, payload):\n"
        "    return [nowhere_else.VALUE, sys.prefix]\n"
    )
    words = ["runtime", "invoke", folder, "--kind", "tool", "--handler", "where", "--runtime", "science"]
    answer = json.loads(trial.run(*words, home=home).stdout)
    if answer["result"] != [42, str(venv)]:
        raise Failed(f"it answered {answer}")
    listed = json.loads(trial.run("runtime", "list", "--json", home=home).stdout)
    return f"Python {listed[1]['python']}"


def _pythons(name: str) -> list[str]:
    """Return the Python of a name, if it is there and new enough."""
    path = shutil.which(name)
    if path is None:
        return []
    words = [path, "-c", "import sys, venv; sys.exit(sys.version_info < (3, 11))"]
    return [path] if subprocess.run(words, capture_output=True, check=False).returncode == 0 else []


@promise("EXE-24", "It leaves nothing of its own in `TMPDIR` when it has ended.")
def tidy(trial: Trial) -> str | None:
    left = [
        path
        for home in trial.folder.iterdir()
        if (home / "tmp").is_dir()
        for path in (home / "tmp").iterdir()
        if not path.name.startswith("pytest-of-")
    ]
    if left:
        raise Failed(f"left behind: {', '.join(sorted(path.name for path in left))}")
    return None


def compare_with_page() -> list[str]:
    """Return what the page and the checks disagree about, in sentences."""
    if not PAGE.exists():
        return []
    written = dict(ROW.findall(PAGE.read_text("utf-8")))
    tried = {identifier: promised.sentence for identifier, promised in PROMISES.items()}
    sentences = [f"{one} stands in {PAGE.name} and has no check" for one in sorted(set(written) - set(tried))]
    sentences += [f"{one} is checked and does not stand in {PAGE.name}" for one in sorted(set(tried) - set(written))]
    both = sorted(set(tried) & set(written))
    return sentences + [f"{one} reads otherwise in {PAGE.name}" for one in both if tried[one] != written[one]]


def keep(trial: Trial, identifier: str, promised: Promise) -> bool:
    """Try one promise and print its line; say whether it is kept, or cannot be tried here."""
    begun = time.monotonic()
    try:
        if trial.shape not in promised.shapes:
            raise Skipped(f"only {' and '.join(promised.shapes)} promise this")
        note = promised.check(trial)
        word, end = "ok  ", f" ({note})" if note else ""
    except Skipped as skipped:
        word, end = "skip", f" [{skipped}]"
    except Exception as error:
        word, end = "FAIL", f"\n     {type(error).__name__}: {error}"
    print(f"{word} {identifier} {promised.sentence}{end} {time.monotonic() - begun:.1f} s", flush=True)
    return word != "FAIL"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Try every promise of the aexl executable.")
    parser.add_argument("exe", nargs="?", type=Path, help="the program to try")
    parser.add_argument("--wheels", type=Path, help="a folder with the wheels of examples/plugins; built if left out")
    parser.add_argument("--only", action="append", metavar="ID", help="try these alone")
    parser.add_argument("--list", action="store_true", help="print the promises and try none")
    chosen = parser.parse_args(arguments)
    wrong = compare_with_page()
    for sentence in wrong:
        print(f"FAIL {sentence}")
    if chosen.list or wrong:
        print(*(f"{one} {promised.sentence}" for one, promised in PROMISES.items()), sep="\n")
        return 1 if wrong else 0
    if chosen.exe is None or not os.access(chosen.exe, os.X_OK):
        parser.error("name a program that can be run")
    begun = time.monotonic()
    trial = Trial(chosen.exe.resolve() if chosen.exe.parent != Path() else chosen.exe.absolute(), chosen.wheels)
    try:
        kept = [
            keep(trial, one, promised) for one, promised in PROMISES.items() if not chosen.only or one in chosen.only
        ]
    finally:
        trial.close()
    broken_promises = kept.count(False)
    print(
        f"{chosen.exe} ({trial.shape}): {len(kept)} promises, {broken_promises} broken, {time.monotonic() - begun:.0f} s"
    )
    return 1 if broken_promises else 0


if __name__ == "__main__":
    sys.exit(main())
