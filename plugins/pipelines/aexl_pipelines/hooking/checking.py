"""Running the steps after an answer that an agent gave in a person's own session."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aexl.api import Host, Session
from aexl.errors import Unavailable
from aexl_pipelines.cli.driving import until_signal
from aexl_pipelines.cli.opening import Loader
from aexl_pipelines.cli.root import say_aside
from aexl_pipelines.execution.known import known_agents
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.requests import RunRequest, RunResult
from aexl_pipelines.execution.running import run_pipeline
from aexl_pipelines.gates.queue import FileGates
from aexl_pipelines.governing.opening import WITHOUT, open_governor
from aexl_pipelines.hooking.answered import AnsweredRunner, SessionAgents, WaitingGates, as_answered, based
from aexl_pipelines.hooking.answering import LastWords, Outcome, answer
from aexl_pipelines.hooking.dialects import Dialect, HookCall
from aexl_pipelines.hooking.entries import HookOptions
from aexl_pipelines.hooking.transcripts import last_prompt
from aexl_pipelines.hooking.turns import Turn, Turns
from aexl_pipelines.journal.folders import runs_folder
from aexl_pipelines.journal.records import RunOptions
from aexl_pipelines.language.inputs import bind_inputs
from aexl_pipelines.trees.ports import trees_of

if TYPE_CHECKING:
    from aexl_pipelines.journal.records import OnGate
    from aexl_pipelines.language.loading import Loaded


def check_answer(
    session: Session, dialect: Dialect, call: HookCall, loaded: Loaded, options: HookOptions, project: Path
) -> dict[str, object]:
    """Run the pipeline around what the agent has said, and return what the CLI is told.

    Raises:
        Invalid: If it cannot run here at all.
    """
    turns = Turns(session.home)
    turn = turns.read(dialect.name, call.session)
    check = Check(session, call, loaded, options, turn)
    outcome = check.run(project)
    rounds = turn.rounds if call.active else 0
    said, rounds = answer(dialect, outcome, rounds, options.rounds)
    turns.write(dialect.name, call.session, Turn(prompt=turn.prompt, base=turn.base, rounds=rounds))
    return said


class Check:
    """One run around an answer."""

    def __init__(self, session: Session, call: HookCall, loaded: Loaded, options: HookOptions, turn: Turn) -> None:
        self._session = session
        self._loaded = as_answered(loaded)
        self._options = options
        self._prompt = turn.prompt or call.prompt or last_prompt(call.transcript)
        self._base = turn.base
        self._words = LastWords()
        self._answered = AnsweredRunner(call.said, call.session)
        self._on_gate = cast("OnGate | None", options.on_gate)
        self._gates = WaitingGates(
            FileGates(runs_folder(session.home), on_gate=self._on_gate, waits=bool(options.wait)), options.wait
        )

    def run(self, project: Path) -> Outcome:
        """Run it, and return how it ended.

        Raises:
            Unavailable: If the hook was told to end.
        """
        govern = open_governor(self._session, agent=None, govern=None, say=say_aside)

        async def work(host: Host) -> RunResult:
            request = RunRequest(
                project=project,
                prompt=self._prompt,
                inputs=bind_inputs(self._loaded.unwrap().inputs, {}),
                options=RunOptions(timeout=self._options.timeout, on_gate=self._on_gate),
            )
            ports = Ports(
                agents=SessionAgents(known_agents(host), self._answered),
                observers=(self._words,),
                gates=self._gates,
                trees=based(trees_of(host), self._base, self._answered),
                governor=govern(host),
                load=Loader(self._session),
                environ=dict(os.environ),
            )
            return await run_pipeline(host, self._loaded, request, ports)

        result = self._session.run(lambda host: until_signal(lambda: work(host)), without=WITHOUT)
        if result is None:
            raise Unavailable("the run was cancelled")
        step = self._words.decisive(result.status)
        return Outcome(
            run=result.run,
            status=result.status,
            message=result.message,
            step=step,
            output=self._words.of(step),
            steps=self._words.steps,
            cost=result.booked if result.booked is not None else result.cost,
            duration=result.duration,
            unanswered=self._gates.unanswered,
        )
