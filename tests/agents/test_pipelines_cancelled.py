"""A run that is ended in any way, in any state: one second later no process of its tree is alive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from agent_model import AgentModel
from desk import Desk, needs, wait_until
from program import AEXL

pytestmark = pytest.mark.slow

LIMIT: Final = 1.0
"""Seconds."""

TRIES: Final = 3
"""Of which one must keep the limit: other work on the machine adds to each, and takes nothing away."""

STUBBORN: Final = """\
trap '' TERM INT HUP
setsid sleep $1 &
(trap '' TERM; sleep $1) &
touch $3/started.$2
while :; do sleep $1; done
"""
"""A program that hears no signal, with a child in a session of its own and another that outlives it.

It says where everybody can see it that it runs: branches that write have copies of the folder.
"""

SHELL: Final = '{{shell: "sh stubborn.sh {mark} {name} {work}"}}'

STATES: Final = {
    "a step": "  - id: one\n    context: {one}\n",
    "parallel branches": (
        "  - id: one\n    async: true\n    context: {one}\n"
        "  - id: two\n    async: true\n    context: {two}\n"
        "  - id: both\n    action: join\n    depends_on: [one, two]\n"
    ),
    "a loop": (
        "  - id: loop\n    do_while:\n      max_iterations: 3\n      exit_when: never\n      steps:\n"
        "        - id: one\n          context: {one}\n"
    ),
    "parallel items": (
        "  - id: each\n    for_each:\n      over: [one, two]\n      parallel: 2\n      steps:\n"
        "        - id: item\n          env: {{NAME: '{{{{ for_each.item }}}}'}}\n"
        '          context: {{shell: "sh stubborn.sh {mark} $NAME {work}"}}\n'
    ),
    "a chain": "  - id: first\n    context: {{shell: 'true'}}\n    then:\n      - id: one\n        context: {one}\n",
}

TWO: Final = {"parallel branches", "parallel items"}
SAMPLED: Final = [each if each in TWO else pytest.param(each, marks=pytest.mark.long) for each in STATES]


def having(place: str, text: str) -> list[int]:
    """Return all processes that have a text in their command line or their environment."""
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{place}"):
        with suppress(OSError):
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


class Stubborn:
    """A folder with a pipeline whose programs do not want to end."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.mark = f"98765.{os.getpid()}{time.monotonic_ns() % 1_000_000:06}"
        (self.work / "stubborn.sh").write_text(STUBBORN)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self.environ = {**kept, "AEXL_HOME": str(folder / "aexl"), "HOME": str(folder)}

    def write(self, steps: str, head: str = "") -> None:
        words = {name: SHELL.format(mark=self.mark, name=name, work=self.work) for name in ("one", "two")}
        text = f'version: "1"\n{head}pipeline:\n' + steps.format(mark=self.mark, work=self.work, **words)
        (self.work / ".aexl.yaml").write_text(text)

    @contextmanager
    def run(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Run the pipeline beside the block."""
        with subprocess.Popen(
            [AEXL, "pipeline", "run", "--quiet", *options],
            env=self.environ, cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()
                for pid in self.alive():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def started(self, *names: str) -> bool:
        return all((self.work / f"started.{name}").exists() for name in names)

    def alive(self) -> list[int]:
        return having("cmdline", self.mark)

    def gone_after(self, begun: float) -> float:
        """Return how many seconds after a moment the last of its processes was gone."""
        while self.alive():
            assert time.monotonic() - begun < 15, self.alive()
            time.sleep(0.01)
        return time.monotonic() - begun

    def last_record(self) -> dict[str, object]:
        [journal] = (Path(self.environ["AEXL_HOME"]) / "runs").glob("*/journal.jsonl")
        found: dict[str, object] = json.loads(journal.read_text().splitlines()[-1])
        return found


def keeps(limit: float, measure: Callable[[Stubborn], float], folder: Path) -> bool:
    """Say whether all was gone within so many seconds, in one of some tries; each has a folder of its own."""
    for number in range(TRIES):
        (mine := folder / str(number)).mkdir()
        if measure(Stubborn(mine)) < limit:
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
@pytest.mark.parametrize("state", SAMPLED)
def test_an_interrupt_ends_everything_within_a_second(tmp_path: Path, state: str, number: int) -> None:
    def measure(stubborn: Stubborn) -> float:
        stubborn.write(STATES[state])
        with stubborn.run() as process:
            wait_until(lambda: stubborn.started("one", *(("two",) if state in TWO else ())))
            assert stubborn.alive()
            begun = time.monotonic()
            process.send_signal(number)
            seconds = stubborn.gone_after(begun)
            process.communicate(timeout=10)
        assert process.returncode == 130
        assert "cancelled" in json.dumps(stubborn.last_record())
        return seconds

    assert keeps(LIMIT, measure, tmp_path)


WAYS: Final = [("", ("--timeout", "4"), 6), ("budget: {time: 4s}\n", (), 7)]


@pytest.mark.parametrize(
    ("state", "head", "options", "code"),
    [
        pytest.param(state, *way, marks=() if (state, way) in zip(sorted(TWO), WAYS, strict=True) else pytest.mark.long)
        for state in STATES
        for way in WAYS
    ],
)
def test_out_of_time_everything_ends_within_a_second(
    tmp_path: Path, state: str, head: str, options: tuple[str, ...], code: int
) -> None:
    def measure(stubborn: Stubborn) -> float:
        stubborn.write(STATES[state], head)
        with stubborn.run(*options) as process:
            wait_until(lambda: stubborn.started("one"))
            seconds = stubborn.gone_after(time.monotonic())
            process.communicate(timeout=10)
        assert process.returncode == code
        return seconds

    assert keeps(4 + LIMIT, measure, tmp_path)


def test_a_branch_that_fails_ends_the_others_within_a_second(tmp_path: Path) -> None:
    def measure(stubborn: Stubborn) -> float:
        stubborn.write(
            "  - id: one\n    async: true\n    context: {one}\n"
            "  - id: bad\n    async: true\n    context: {{shell: 'until [ -e {work}/fail ]; do sleep 0.05; done; exit 3'}}\n"
            "    on_result:\n      - exit_code: any\n        action: abort_pipeline\n"
            "  - id: both\n    action: join\n    depends_on: [one, bad]\n    on_error: fail_fast\n"
        )
        with stubborn.run() as process:
            wait_until(lambda: stubborn.started("one"))
            begun = time.monotonic()
            (stubborn.work / "fail").touch()
            seconds = stubborn.gone_after(begun)
            process.communicate(timeout=10)
        assert process.returncode == 4
        return seconds

    assert keeps(LIMIT + 0.05, measure, tmp_path)  # a twentieth until it is seen


def test_a_run_that_waits_for_a_person_ends_at_once(tmp_path: Path) -> None:
    def measure(stubborn: Stubborn) -> float:
        stubborn.write("  - id: look\n    action: pause_for_human\n    timeout: 5m\n")
        gates = Path(stubborn.environ["AEXL_HOME"]) / "runs"
        with stubborn.run() as process:
            wait_until(lambda: any(gates.glob("*/gates/*.json")))
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=10)
            seconds = time.monotonic() - begun
        assert process.returncode == 130
        assert not list(gates.glob("*/gates/*.json"))
        return seconds

    assert keeps(LIMIT, measure, tmp_path)


@needs("claude")
@pytest.mark.parametrize(
    "way", ["interrupt", *(pytest.param(way, marks=pytest.mark.long) for way in ("timeout", "budget"))]
)
def test_an_agent_and_its_tools_end_with_the_run_and_what_they_cost_is_booked(
    desk: Desk, model: AgentModel, way: str
) -> None:
    desk.agent()
    mark = f"98764.{os.getpid()}{way}".replace("interrupt", "1").replace("timeout", "2").replace("budget", "3")
    homes = f"HOME={desk.home}/runs/"
    model.commands = [f"touch started; sleep {mark}"]
    head = "budget: {time: 8s}\n" if way == "budget" else ""
    (desk.work / ".aexl.yaml").write_text(
        f'version: "1"\n{head}defaults: {{runner: claude, model: claude-opus-4-8, tools: {{allow: [Bash]}}}}\n'
        'pipeline:\n  - id: invocation\n    prompt: "{{ step.invocation.prompt }}"\n'
    )
    options = ("--timeout", "8") if way == "timeout" else ()
    with subprocess.Popen(
        [AEXL, "pipeline", "run", "Do it.", "--quiet", *options],
        env=desk.environ, cwd=desk.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: (desk.work / "started").exists() and bool(having("cmdline", f"sleep\0{mark}")))
            if way == "interrupt":
                process.send_signal(signal.SIGINT)
            wait_until(lambda: not having("cmdline", f"sleep\0{mark}") and not having("environ", homes))
            process.communicate(timeout=15)
        finally:
            process.kill()
    assert process.returncode == {"interrupt": 130, "timeout": 6, "budget": 7}[way]
    assert desk.states() == ["committed"]
    assert [agent["name"] for agent in desk.json("agent", "list")] == ["alice"]


@needs("claude")
def test_an_agent_that_a_killed_run_has_left_behind_ends_before_the_run_goes_on(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    mark = f"98763.{os.getpid()}"
    homes = f"HOME={desk.home}/runs/"
    model.commands = [f"touch started; sleep {mark}"]
    (desk.work / ".aexl.yaml").write_text(
        'version: "1"\ndefaults: {runner: claude, model: claude-opus-4-8, tools: {allow: [Bash]}}\n'
        'pipeline:\n  - id: invocation\n    prompt: "{{ step.invocation.prompt }}"\n'
    )
    with subprocess.Popen(
        [AEXL, "pipeline", "run", "Do it.", "--quiet"],
        env=desk.environ, cwd=desk.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: (desk.work / "started").exists() and bool(having("cmdline", f"sleep\0{mark}")))
        finally:
            process.kill()
    assert having("cmdline", f"sleep\0{mark}")
    assert having("environ", homes)
    model.commands = ()
    done = desk.run("pipeline", "resume", "last", cwd=desk.work)
    assert "that the run had left behind when it was broken off" in done.stderr
    assert not having("cmdline", f"sleep\0{mark}")
    assert not having("environ", homes)
    assert [agent["name"] for agent in desk.json("agent", "list")] == ["alice"]
