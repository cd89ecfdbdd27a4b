"""The benchmarks run: every row is printed. What they measure is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "proxy.py"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proxy", "snapshots", "pipelines", "runtime", "plane", "startup"])
def test_every_benchmark_can_be_started(name):
    command = [sys.executable, str(PROGRAM.with_name(f"{name}.py")), "--help"]
    assert "--json" in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


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


@pytest.mark.long
def test_a_quick_run_measures_pipelines_with_a_server_and_without():
    command = [sys.executable, str(PROGRAM.with_name("pipelines.py")), "--json", "--quick"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert ran.returncode == 0, ran.stderr + ran.stdout
    report = json.loads(ran.stdout)
    assert [row["name"] for row in report["rows"]] == [
        "start to first step",
        "one step",
        "20 steps",
        "20 lines of shell",
        "5 branches that read",
        "5 branches that write",
        "one step, governed",
        "20 steps, governed",
    ]
    assert all(row["seconds"] > 0 for row in report["rows"])
    assert len(report["claims"]) == 3
    assert report["reading"]["seconds"] > 0


@pytest.mark.long
def test_a_quick_run_measures_handlers_cold_and_warm():
    command = [sys.executable, str(PROGRAM.with_name("runtime.py")), "--json", "--quick", "--without-others"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert ran.returncode == 0, ran.stderr + ran.stdout
    report = json.loads(ran.stdout)
    assert [row["name"] for row in report["rows"]] == [
        "python -c pass",
        "runner, describe",
        "runner, invoke",
        "runner, execute",
        "aexl runtime invoke",
        "kept worker, fork",
        "kept worker, reuse",
    ]
    assert all(row["one"] > 0 and row["many"] > 0 for row in report["rows"])
    assert len(report["claims"]) == 2


@pytest.mark.long
def test_a_quick_run_measures_projects_on_a_server():
    command = [sys.executable, str(PROGRAM.with_name("plane.py")), "--json", "--quick"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert ran.returncode == 0, ran.stderr + ran.stdout
    report = json.loads(ran.stdout)
    assert [row["name"] for row in report["rows"] if row["name"] != "aiel: push"] == [
        "python -c pass",
        "aexl: add and commit",
        "aexl: push",
        "deploy",
        "rollback",
        "invocation, warm, one client",
        "invocation, warm, 16 clients",
    ]
    assert all(row["seconds"] > 0 for row in report["rows"])
    assert len(report["claims"]) == 2
