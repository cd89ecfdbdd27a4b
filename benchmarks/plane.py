"""What projects on a server cost: pushed by ``aexl`` and by ``aiel``, their handlers called over HTTP, deployed, rolled back.

A server of its own, on loopback, with a durable ledger. A push is the command from its start to its end; the ``aiel``
client (``tests/aiel/install`` puts it into ``build/aiel``; without it its row is left out) sends one file after the
other and takes minutes for 2,000, so that it sends a tenth of them unless ``--whole``. Calls are whole requests over
a connection that is kept: authenticated, written down before and after, run in a worker that is kept, answered.

The last full run, two quiet cores: push of 2,000 files 0.44 s (0.22 ms each, aiel 43 ms
each, 197 times as long with add and commit), deploy 95 ms, rollback 3.0 ms, a warm
invocation 7.6 ms for one client (0.61 of ``python -c pass``; floor 2, goal 0.5), 7.2 ms
each for 16 at once. Runs before it gave 0.54 and 0.66 of ``python -c pass``.

    python benchmarks/plane.py            a minute or two
    python benchmarks/plane.py --quick    a tenth of it, to see that it runs
    python benchmarks/plane.py --whole    all 2,000 files with aiel, too: six minutes more
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import claims

AEXL = (sys.executable, "-P", "-m", "aexl")
AIEL = Path(__file__).parents[1] / "build" / "aiel" / "bin" / "aiel"
FILES = 2000
CALLS = 1000
MANY = 16
TURNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        count: How many of them were done.
        seconds: Of all together; of ``deploy`` and ``rollback`` the median one.
    """

    name: str
    count: int
    seconds: float

    @property
    def each(self) -> float:
        """Milliseconds for each."""
        return self.seconds / self.count * 1000


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Lab:
    """A server, its owner's token, and folders.

    Args:
        folder: Empty.
    """

    def __init__(self, folder: Path, url: str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.url = url
        self.environ = environ
        self.tenant: dict[str, Any] = json.loads(self.run("auth", "bootstrap", "--json"))
        place = [self.tenant[name]["id"] for name in ("workspace", "project")]
        self.path = "/api/v1/workspaces/{}/projects/{}".format(*place)

    def run(self, *words: str, at: Path | None = None) -> str:
        """Run a command of ours."""
        return run([*AEXL, *words], self.environ, at or self.folder)

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the server."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return http.client.HTTPConnection(host, int(port), timeout=120)

    def ask(self, connection: http.client.HTTPConnection, path: str, body: Mapping[str, object]) -> Any:
        """Post something; return the decoded answer."""
        headers = {"authorization": f"Bearer {self.tenant['token']}", "content-type": "application/json"}
        connection.request("POST", self.path + path, json.dumps(body), headers)
        response = connection.getresponse()
        data = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{path}: {response.status} {data[:500]!r}")
        return json.loads(data)


def run(words: Sequence[str], environ: Mapping[str, str], at: Path) -> str:
    done = subprocess.run(words, cwd=at, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words[-4:]))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def serving(folder: Path) -> Iterator[Lab]:
    """Run a server with a home of its own."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "AEXL_HOME": str(home), "LANG": "C.UTF-8"}
    command = [*AEXL, "serve", "--port", "0"]
    log = folder / "serve.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environ) as process:
        try:
            yield Lab(folder, _wait_for_url(process, log), environ)
        finally:
            process.send_signal(signal.SIGTERM)


def _wait_for_url(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"serves (http://[^\s,]+)", log.read_text())
        if found is not None:
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {log.read_text()}")


def write_files(folder: Path, count: int) -> Path:
    """Write small files of text; return the folder."""
    for number in range(count):
        path = folder / f"d{number % 50}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}: " + "some words of a small file " * (10 + number % 30))
    return folder


def push_with_aexl(lab: Lab, count: int) -> Iterator[Row]:
    root = write_files(lab.folder / "aexl-project", count)
    lab.run("init", "--project", str(root))
    yield Row(name="aexl: add and commit", count=count, seconds=timed(lambda: _commit(lab, root)))
    yield Row(name="aexl: push", count=count, seconds=timed(lambda: lab.run("snapshot", "push", at=root)))


def _commit(lab: Lab, root: Path) -> None:
    lab.run("snapshot", "add", ".", at=root)
    lab.run("snapshot", "commit", "-m", "All", at=root)


def push_with_aiel(lab: Lab, count: int) -> Row | None:
    """Push from the client that the routes were made for, as it is; ``None`` where it is not installed."""
    if not AIEL.exists():
        return None
    lab.run("project", "create", "other")
    project = next(
        each for each in json.loads(lab.run("project", "list", "--json"))["projects"] if each["slug"] == "other"
    )
    person = lab.folder / "person"
    path = person / ".config" / "aiel" / "credentials.json"
    path.parent.mkdir(parents=True)
    profile = {
        "base_url": lab.url,
        "token": lab.tenant["token"],
        "user": lab.tenant["user"]["email"],
        "tenant": lab.tenant["tenant"]["name"],
        "workspace": {**lab.tenant["workspace"], "name": lab.tenant["workspace"]["slug"]},
        "project": {"id": project["id"], "slug": project["slug"], "name": project["slug"]},
    }
    path.write_text(json.dumps({"version": 1, "current_profile": "default", "profiles": {"default": profile}}))
    environ = {**lab.environ, "HOME": str(person), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    root = write_files(lab.folder / "aiel-project", count)
    for words in (["init"], ["add", "."], ["commit", "-m", "all"]):
        run([str(AIEL), *words], environ, root)
    return Row(name="aiel: push", count=count, seconds=timed(lambda: run([str(AIEL), "push"], environ, root)))


def call_handlers(lab: Lab, count: int) -> Iterator[Row]:
    """Call a tool of what is deployed: by one client, and by several at once."""
    body = {"kind": "tool", "handler": "slugify", "event": {"title": "Hello World"}}

    def calls(number: int) -> None:
        connection = lab.connect()
        for _ in range(number):
            answer = lab.ask(connection, "/environments/dev/invocations", body)
            if answer["result"] != {"slug": "hello-world"}:
                raise RuntimeError(str(answer))
        connection.close()

    calls(3)  # a worker is there
    yield Row(name="invocation, warm, one client", count=count, seconds=timed(lambda: calls(count)))
    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(calls, [3] * MANY))  # all workers are there
        seconds = timed(lambda: list(pool.map(calls, [count // MANY] * MANY)))
    yield Row(name=f"invocation, warm, {MANY} clients", count=count // MANY * MANY, seconds=seconds)


def deploy(lab: Lab, turns: int) -> Iterator[Row]:
    """Deploy what is there, and go back, in turn; each deployment is validated in a worker of its own."""
    connection = lab.connect()
    head = json.loads(lab.run("files", "ls", "--json"))["snapshot"]
    other = _other_snapshot(lab)
    lab.ask(connection, "/deployments", {"environment": "dev", "snapshot": head})
    taken: dict[str, list[float]] = {"deploy": [], "rollback": []}
    for _ in range(turns):
        body = {"environment": "dev", "snapshot": other}
        taken["deploy"].append(timed(lambda body=body: lab.ask(connection, "/deployments", body)))
        taken["rollback"].append(timed(lambda: lab.ask(connection, "/environments/dev:rollback", {})))
    for name, seconds in taken.items():
        yield Row(name=name, count=1, seconds=statistics.median(seconds))


def _other_snapshot(lab: Lab) -> str:
    root = lab.folder / "aexl-project"
    (root / "more.txt").write_text("more")
    _commit(lab, root)
    lab.run("snapshot", "push", at=root)
    snapshot: str = json.loads(lab.run("files", "ls", "--json"))["snapshot"]
    return snapshot


def measure(folder: Path, *, quick: bool, whole: bool) -> list[Row]:
    files = FILES // 10 if quick else FILES
    rows = []
    python = [timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)) for _ in range(15)]
    rows.append(Row(name="python -c pass", count=1, seconds=statistics.median(python)))
    with serving(folder) as lab:
        rows += push_with_aexl(lab, files)
        other = push_with_aiel(lab, files if whole else files // 10)
        rows += [other] if other is not None else []
        rows += deploy(lab, 2 if quick else TURNS)
        rows += call_handlers(lab, CALLS // 10 if quick else CALLS)
    return rows


def promises(rows: Sequence[Row]) -> list[claims.Claim]:
    found = {row.name: row for row in rows}
    push, python = found["aexl: push"], found["python -c pass"].seconds
    warm = found["invocation, warm, one client"].each / 1000 / python
    whole = push.seconds if push.count == FILES else None
    return [
        claims.Claim(name="push of 2,000 small files to a server", unit="s", value=whole, floor=3, goal=1),
        claims.Claim(name="a warm invocation over HTTP", unit="x python -c pass", value=warm, floor=2, goal=0.5),
    ]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="What projects on a server cost.")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--whole", action="store_true", help="all files with aiel, too")
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="aexl-bench-"))
    folder.chmod(0o755)
    try:
        rows = measure(folder, quick=given.quick, whole=given.whole)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    kept = promises(rows)
    if given.as_json:
        print(
            json.dumps({"rows": [asdict(row) for row in rows], "claims": [asdict(claim) for claim in kept]}, indent=2)
        )
        return
    found = {row.name: row for row in rows}
    push, other = found["aexl: push"], found.get("aiel: push")
    cells = [(row.name, f"{row.count:,}", f"{row.seconds:.3f}", f"{row.each:.2f}") for row in rows]
    print(claims.table(("what", "how many", "s", "ms each"), cells, left=1))
    print()
    if other is not None:
        print(f"For each file, aiel takes {other.each / push.each:.0f} times as long as aexl.\n")
    print(claims.table(claims.COLUMNS, [claim.row for claim in kept], left=2))


if __name__ == "__main__":
    main()
