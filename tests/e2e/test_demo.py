"""Show 1: `aexl serve --demo`, then the printed line."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest

pytestmark = pytest.mark.slow


def test_the_printed_curl_line_gives_an_answer_with_execution_cost_and_a_ledger_entry(program):
    (program.home / "aexl.toml").unlink()
    program.start("--demo", "--port", "0")
    while not any("aexl agent inspect demo" in line for line in program.log):
        pass
    [line] = [line for line in program.log if line.strip().startswith("curl")]
    answer = subprocess.run([*shlex.split(line), "-s"], capture_output=True, text=True, check=True).stdout
    head, _, body = answer.partition("\n\n")

    assert "200 OK" in head
    assert "Hello" in body
    cost = re.search(r"x-aexl-cost-usd: ([0-9.]+)", head)
    execution = re.search(r"x-aexl-execution-id: (\S+)", head)
    assert cost
    assert float(cost[1]) > 0
    assert execution
    shown = program.json("ledger", "show", execution[1])
    assert [entry["state"] for entry in shown["states"]] == ["reserving", "reserved", "dispatched", "committed"]
    assert program.inspect("demo")["spent"] == cost[1]
    assert program.run("ledger", "verify").returncode == 0
    assert program.stop() == 0


def test_a_second_start_keeps_the_agent_and_its_token(program):
    (program.home / "aexl.toml").unlink()
    program.start("--demo", "--port", "0")
    program.stop()
    first = (program.home / "demo.token").read_text()
    program.log.clear()
    program.start("--demo", "--port", "0")
    program.stop()

    assert (program.home / "demo.token").read_text() == first
