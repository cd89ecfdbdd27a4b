"""The runner ``exec``: any program. It reads the prompt, and writes text or events."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import Literal

import msgspec

from aexl.api import ProcessSpec
from aexl.api.runners import (
    Ability,
    Asked,
    Concluded,
    RunnerError,
    RunnerEvent,
    RunnerRequest,
    Spent,
    Text,
)
from aexl.errors import Invalid
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import usage_sum
from aexl_pipelines.runners.environment import agent_environment, home_folders
from aexl_pipelines.runners.launching import check_words, full_prompt, read_options
from aexl_pipelines.runners.lines import MOST
from aexl_pipelines.runners.parsing import ProtocolParser, last_lines


class ExecOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must be said of the program.

    Attributes:
        command: The program and its arguments.
        output: ``text``: all of it is the answer. ``events``: each line is an event as ``aexl.api.runners`` has them,
            in JSON with its name as ``type``; a ``concluded`` event ends the run.
    """

    command: tuple[str, ...]
    output: Literal["text", "events"] = "text"


class ExecRunner:
    """Runs what the step names; the model and the session go to it as ``AEXL_MODEL`` and ``AEXL_SESSION``."""

    name = "exec"
    capabilities: frozenset[str] = frozenset(
        {Ability.MODEL, Ability.SESSION_ID, Ability.RESUME, Ability.USAGE, Ability.COST, Ability.DELTAS}
        | {Ability.TOOL_EVENTS}
    )

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it."""
        check_request(self, request)
        options = read_options(self.name, request.options, ExecOptions)
        if not options.command:
            raise Invalid(f"runner {self.name} needs a command: name the program and its arguments")
        check_words(self.name, options.command)
        env = agent_environment(self.name, request)
        if request.model is not None:
            env["AEXL_MODEL"] = request.model
        if request.session.id is not None:
            env["AEXL_SESSION"] = request.session.id
        return ProcessSpec(
            argv=options.command,
            env=env,
            cwd=request.cwd,
            stdin=full_prompt(request, self.capabilities).encode(),
            folders=home_folders(request),
            cancel=((signal.SIGTERM, 3.0),),
            line_limit=MOST,
        )

    def parser(self, request: RunnerRequest) -> ProtocolParser:
        """Return a parser for one run."""
        options = read_options(self.name, request.options, ExecOptions)
        kind = TextParser if options.output == "text" else EventParser
        return kind(self.name, request)


class TextParser(ProtocolParser):
    """All output is the answer; the exit code is the verdict."""

    speaks_json = False

    def read_text(self, line: bytes) -> Iterable[RunnerEvent]:
        """Yield the line."""
        text = line.decode(errors="replace") + "\n"
        self.add_text(text)
        return (Text(text),)

    def verdict(self, status: int, stderr: str) -> RunnerError | None:
        """Return why the run failed."""
        self.text = self.text.rstrip("\n")
        return None if status == 0 else failed(status, stderr)


class EventParser(ProtocolParser):
    """Lines are events; what is none is told as such and changes nothing."""

    speaks_json = False

    def read_text(self, line: bytes) -> Iterable[RunnerEvent]:
        """Yield the event that a line is."""
        try:
            event = msgspec.json.decode(line, type=RunnerEvent)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return super().read_text(line)
        self._learn(event)
        return (event,)

    def verdict(self, status: int, stderr: str) -> RunnerError | None:
        """Return why the run failed; a program that says nothing of its end says it by its exit code."""
        if self.error is not None:
            return self.error
        return None if self.concluded or status == 0 else failed(status, stderr)

    def _learn(self, event: RunnerEvent) -> None:
        match event:
            case Text(text=text):
                self.add_text(text)
            case Spent(usage=usage, cost=cost):
                self.usage = usage_sum(self.usage, usage)
                self.cost = cost if self.cost is None else self.cost + (cost or 0)
            case Concluded(text=text, error=error):
                self.text = text or self.text
                self.conclude(error)
            case RunnerError():
                self.error = event
            case Asked(tool=tool):
                said = f"the program asked for {tool}; runner exec answers no questions"
                self.error = RunnerError(kind="permission", message=said)
            case _:
                return


def failed(status: int, stderr: str) -> RunnerError:
    """Return the error of a program that ended with an exit code, or by a signal."""
    how = f"was ended by signal {-status}" if status < 0 else f"ended with exit code {status}"
    said = last_lines(stderr)
    return classify(f"the program {how}: {said}" if said else f"the program {how}")
