"""How many instructions a call takes, counted by callgrind (``make bench-instructions``, two minutes, needs valgrind).

Times on a shared machine differ by ten percent from run to run, and by five from process to process with the same
code. Instructions of the program itself (the system's are not counted) differ by less than one percent, whatever else the
machine does: small steps can be told apart, and a change that makes a call dearer is seen. What depends on time
differs from a real run: everything takes fifty times as long, so that no pass of the loop counts as idle there, and
a batch of the ledger gathers for as many passes as it may.

The last run, 16 clients, JSON, thousands of instructions a request:

    server       instructions  of forwarder
    forwarder             251          1.00
    ungoverned            627          2.50
    governed            1,148          4.57
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import servers
from claims import table

CLIENTS: Final = 16
WARM_UP: Final = 300
"""Requests before counting: connections are opened, and the interpreter has specialized what it runs often."""

SERVERS: Final = ("forwarder", "ungoverned", "governed")


def tracer(out: Path) -> list[str]:
    """Return the command that counts what the command after it executes."""
    fixed = ["env", "PYTHONHASHSEED=0"]  # else dictionaries collide differently in each process
    return [*fixed, "valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable]


def control(server: servers.Server, action: str) -> None:
    """Have the counts of a running program set to zero, or written."""
    subprocess.run(["callgrind_control", action, str(server.pid)], check=True, capture_output=True)


def count(server: servers.Server, out: Path, requests: int) -> float:
    """Return the instructions of one request."""
    server.load("json", CLIENTS, requests=WARM_UP)
    control(server, "--zero")
    done = server.load("json", CLIENTS, requests=requests)
    control(server, "--dump")
    if done["errors"]:
        raise SystemExit(f"{server.name}: {done['error']}")
    found = re.search(r"^summary: (\d+)", out.with_name(f"{out.name}.1").read_text(errors="replace"), re.MULTILINE)
    assert found is not None, "callgrind writes a summary into each dump"
    return int(found[1]) / int(done["requests"])


def start(name: str, upstream: servers.Server, folder: Path, out: Path) -> servers.Server:
    """Start one of the servers, counted."""
    if name == "forwarder":
        address = upstream.url.removeprefix("http://")
        return servers.start_script("forwarder", address, folder=folder, under=tracer(out))
    home = folder / name
    off = ["ledger", "policy"] if name == "ungoverned" else []
    servers.make_home(home, upstream.url, off=off)
    token = "none" if off else servers.create_agent(home)
    return servers.start_aexl(name, home, token=token, under=tracer(out))


def measure(names: Sequence[str], requests: int, folder: Path) -> dict[str, float]:
    """Count one server after the other."""
    upstream = servers.start_script("upstream", folder=folder)
    found: dict[str, float] = {}
    try:
        for name in names:
            out = folder / f"{name}.callgrind"
            server = start(name, upstream, folder, out)
            try:
                found[name] = count(server, out, requests)
            finally:
                server.stop()
    finally:
        upstream.stop()
    return found


def main() -> int:
    """Count, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"of {', '.join(SERVERS)}; all of them if none")
    parser.add_argument("--requests", type=int, default=600, help="how many are counted (default: 600)")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    unknown = set(options.servers) - set(SERVERS)
    if unknown:
        parser.error(f"there is no server {min(unknown)!r}: use one of {', '.join(SERVERS)}")
    if options.requests < 1:
        parser.error(f"--requests must be at least 1, not {options.requests}")
    if shutil.which("callgrind_control") is None:
        sys.stderr.write("valgrind is not installed: on Debian, apt-get install valgrind\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.servers or SERVERS, options.requests, Path(folder))
    if options.json:
        print(json.dumps({"requests": options.requests, "instructions": found}, indent=2))
        return 0
    bare = found.get("forwarder")
    rows = [(name, f"{each / 1000:,.0f}", f"{each / bare:.2f}" if bare else "-") for name, each in found.items()]
    print(f"{options.requests} requests, {CLIENTS} clients, JSON; thousands of instructions a request\n")
    print(table(("server", "instructions", "of forwarder"), rows, left=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
