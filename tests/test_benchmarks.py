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
    } | {
        (shape, 16, server)
        for shapes, server in (
            (("translated", "translated-stream", "translated-chat", "translated-chat-stream"), "governed"),
            (("json", "stream", "messages", "messages-stream"), "untranslated"),
        )
        for shape in shapes
    }
    assert all(row["rate"] > 0 and row["p50"] <= row["p99"] for row in report["rows"])
    assert len(report["claims"]) == 14
    assert set(report["memory"]) == {"start", "10000", "end"}


@pytest.mark.slow
def test_a_quick_run_measures_every_step_of_snapshots_against_git():
    command = [sys.executable, str(PROGRAM.with_name("snapshots.py")), "--json", "--quick"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert ran.returncode == 0, ran.stderr + ran.stdout
    report = json.loads(ran.stdout)
    assert len({(row["tree"], row["step"]) for row in report["rows"]}) == 10
    assert all(row["aexl"] > 0 and row["git"] > 0 for row in report["rows"])
    assert len(report["claims"]) == 3
