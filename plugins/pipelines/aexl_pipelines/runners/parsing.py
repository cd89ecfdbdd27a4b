"""What all parsers have in common: lines, the growing outcome, and its end.

A parser for one CLI says what a message means (``read``), what a line that is no
message means (``read_text``), and why a run failed (``verdict``). Nothing that a
CLI prints makes a parser raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from aexl.api import Usage
from aexl.api.runners import (
    STATUS_OF,
    Asked,
    Concluded,
    Decision,
    Denied,
    RunnerError,
    RunnerEvent,
    RunnerOutcome,
    RunnerRequest,
    Spent,
    Started,
    Totals,
    Unknown,
)
from aexl.errors import Invalid
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.lines import Lines, read_object, shown
from aexl_pipelines.runners.reading import without_colours
from aexl_pipelines.runners.structured import Schema, fault_of, find_answer

MOST_TEXT: Final = 16 * 1024 * 1024
"""Characters of an answer that are kept; what comes after them is told, and not kept."""

MOST_DENIALS: Final = 1000

_LAST_LINES: Final = 5


class ProtocolParser:
    """A ``RunnerParser`` of lines.

    Attributes:
        runner: Its name, for messages.
        concluded: See ``RunnerParser``.
        session, model, usage, cost, totals, turns, error: As the outcome will have them.
        text: The final answer.
        structured: The answer as JSON, where the CLI itself made it.
    """

    speaks_json = True
    """Lines that are JSON objects are messages."""

    def __init__(self, runner: str, request: RunnerRequest) -> None:
        self.runner = runner
        self.request = request
        self.concluded = False
        self.session: str | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.cost: int | None = None
        self.totals = Totals()
        self.turns: int | None = None
        self.error: RunnerError | None = None
        self.text = ""
        self.structured: object = None
        self._denials: list[Denied] = []
        self._lines = Lines()

    def feed(self, data: bytes) -> Sequence[RunnerEvent]:
        """Return the events of the next bytes."""
        return [event for line in self._lines.feed(data) for event in self._read_line(line)]

    def answer(self, asked: Asked, decision: Decision) -> bytes:
        """Return what to write; most CLIs ask nothing."""
        raise Invalid(f"runner {self.runner} asks no questions, so {asked.tool} cannot be {_word(decision)}")

    def finish(self, status: int, stderr: str) -> RunnerOutcome:
        """Return the outcome."""
        for line in self._lines.finish():
            self._read_line(line)
        error = self.verdict(status, stderr)
        structured: object = None
        if error is None and self.request.schema is not None:
            structured, error = self._hold_schema(self.request.schema)
        return RunnerOutcome(
            status="completed" if error is None else STATUS_OF.get(error.kind, "failed"),
            text=self.text,
            structured=structured,
            session=self.session,
            model=self.model or self.request.model,
            usage=self.usage,
            cost=self.cost,
            totals=self.totals,
            turns=self.turns,
            denials=tuple(self._denials),
            error=error,
            exit_code=status,
            stderr=stderr,
        )

    def read(self, message: Mapping[str, object]) -> Iterable[RunnerEvent]:
        """Yield what a JSON object means."""
        return (self.unknown(message),)

    def read_text(self, line: bytes) -> Iterable[RunnerEvent]:
        """Yield what a line that is no JSON object means."""
        return (Unknown(line=shown(line)),) if line.strip() else ()

    def verdict(self, status: int, stderr: str) -> RunnerError | None:
        """Return why the run failed; here, and unless a CLI knows better: only a conclusion is a success."""
        if self.error is not None or self.concluded:
            return self.error
        return no_conclusion(self.runner, status, stderr)

    def unknown(self, message: Mapping[str, object]) -> Unknown:
        """Return the event of a message that means nothing to us."""
        kinds = (message.get("type"), message.get("subtype"))
        kind = "/".join(word for word in kinds if isinstance(word, str))[:100]
        return Unknown(kind=kind or "?", line=shown(repr(message).encode(errors="replace")))

    def add_text(self, text: str) -> None:
        """Add to the final answer, within bounds."""
        self.text += text[: MOST_TEXT - len(self.text)]

    def conclude(self, error: RunnerError | None = None) -> Concluded:
        """Remember that the protocol has come to its end, and return the event that says so."""
        self.concluded = True
        self.error = error
        return Concluded(text=self.text, error=error)

    def _read_line(self, line: bytes) -> list[RunnerEvent]:
        message = read_object(line) if self.speaks_json else None
        events = list(self.read_text(line) if message is None else self.read(message))
        for event in events:
            if isinstance(event, Denied) and len(self._denials) < MOST_DENIALS:
                self._denials.append(event)
            elif isinstance(event, Started):
                self.session = event.session or self.session
                self.model = event.model or self.model
        return events

    def _hold_schema(self, schema: Schema) -> tuple[object, RunnerError | None]:
        if self.structured is not None:
            value, fault = self.structured, fault_of(self.structured, schema)
        else:
            value, fault = find_answer(self.text, schema)
        return (None, RunnerError(kind="schema", message=fault)) if fault else (value, None)


def no_conclusion(runner: str, status: int, stderr: str) -> RunnerError:
    """Return the error of a CLI that ended without saying how it went; what it wrote beside may tell."""
    last = last_lines(stderr)
    how = f"was ended by signal {-status}" if status < 0 else f"ended with exit code {status}"
    sentence = f"{runner} {how} and did not say how the run went"
    found = classify(last)
    if status > 0 and last and found.kind != "other":
        return found
    return RunnerError(kind="protocol", message=f"{sentence}: {last}" if last else sentence)


def last_lines(stderr: str) -> str:
    """Return the end of what a CLI wrote beside its protocol, for a message."""
    lines = [line.strip() for line in without_colours(stderr).splitlines() if line.strip()]
    return "\n".join(lines[-_LAST_LINES:])[-2000:]


def spent(parser: ProtocolParser, usage: Usage, cost: int | None) -> Iterator[Spent]:
    """Yield what was consumed, if anything was."""
    parser.usage, parser.cost = usage, cost
    if usage != Usage() or cost:
        yield Spent(usage=usage, cost=cost)


def _word(decision: Decision) -> str:
    return "allowed" if decision.allow else "denied"
