"""The benchmarks run: every row is printed. What they measure is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "proxy.py"


@pytest.mark.slow
def test_a_quick_run_prints_every_row_and_every_promise():
    command = [sys.executable, str(PROGRAM), "--json", "--quick", "--seconds", "0.05", "--requests", "50"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert ran.returncode == 0, ran.stderr + ran.stdout
    report = json.loads(ran.stdout)
    assert report["errors"] == []
    assert {(row["shape"], row["clients"], row["server"]) for row in report["rows"]} == {
        (shape, clients, server)
        for shape in ("json", "stream")
        for clients in (1, 16, 64)
        for server in ("direct", "forwarder", "ungoverned", "governed")
    }
    assert all(row["rate"] > 0 and row["p50"] <= row["p99"] for row in report["rows"])
    assert len(report["claims"]) == 10
    assert set(report["memory"]) == {"start", "10000", "end"}
