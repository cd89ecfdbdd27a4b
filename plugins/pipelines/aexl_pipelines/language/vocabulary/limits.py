"""What bounds a step: budgets, retries, sessions to go on in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from aexl_pipelines.language.kinds import (
    INVALID,
    Choice,
    Duration,
    Either,
    Flag,
    ListOf,
    Made,
    Money,
    Name,
    Number,
    Schema,
)
from aexl_pipelines.language.model import OnError
from aexl_pipelines.language.parts import Backoff, Budget, Resume, Retry, RetryOn
from aexl_pipelines.language.reader import Reader
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.source import AnyNode, Scalar


@dataclass(frozen=True)
class Share:
    """A part of the whole."""

    words: str = "a number from 0 to 1, or true or false"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return 1.0 if node.value else 0.0
        return Number(0, 1).read(node, name, reader)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "boolean"}, Number(0, 1).schema()]}


def _build_budget(values: Values) -> Budget:
    return Budget(
        usd=values.get("usd", int),
        tokens=values.get("tokens", int),
        turns=values.get("turns", int),
        time=values.get("time", float),
    )


BUDGET_TABLE: Final = Record(
    title="budget",
    words="a mapping with usd, tokens, turns or time",
    text="The most that a run or a step may use; as a number or text, USD.",
    build=_build_budget,
    keys=[
        Key("usd", Money(), "USD, as in `0.50`.", "aexl"),
        Key("tokens", Number(1, whole=True), "Input and output tokens together.", "aexl"),
        Key("turns", Number(1, whole=True), "Answers of models.", "aexl"),
        Key("time", Duration(), "Wall time, as in `10m`.", "aexl"),
    ],
)


@dataclass(frozen=True)
class _Dollars:
    words: str = "an amount in USD"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        amount = Money().read(node, name, reader)
        return Budget(usd=amount) if isinstance(amount, int) else INVALID

    def schema(self) -> Schema:
        return Money().schema()


BUDGET: Final = Either("an amount in USD, or a mapping with usd, tokens, turns or time", _Dollars(), BUDGET_TABLE)


def _build_retry(values: Values) -> Retry:
    backoff: Any = values.get("backoff", str, "exponential" if "delay" in values else "none")
    if backoff != "none" and "delay" not in values:
        values.problem(
            "backoff", f"backoff {backoff!r} needs 'delay', the seconds before the second attempt", "add delay: 5s"
        )
    on: Any = values.all("on", str) or get_args(RetryOn)
    return Retry(
        times=values.get("times", int, 1),
        backoff=backoff,
        delay=values.get("delay", float, 0.0),
        longest=values.get("max_delay", float, 60.0),
        jitter=values.get("jitter", float, 0.0),
        on=on,
    )


@dataclass(frozen=True)
class _Jitter:
    words: str = "a number from 0 to 1, or true or false"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        found = Share().read(node, name, reader)
        return 0.5 if isinstance(node, Scalar) and node.value is True else found

    def schema(self) -> Schema:
        return Share().schema()


RETRY_TABLE: Final = Record(
    title="retry",
    words="a mapping with times, backoff, delay, max_delay, jitter or on",
    text="Further attempts after one that failed; as a number, how many. What `on_error` says holds after the last.",
    build=_build_retry,
    keys=[
        Key("times", Number(1, 100, whole=True), "Further attempts.", "aexl", required=True),
        Key("backoff", Choice(get_args(Backoff)), "How the wait grows; `exponential` if there is a `delay`.", "aexl"),
        Key("delay", Duration(zero=True), "Before the second attempt.", "aexl"),
        Key("max_delay", Duration(), "The longest wait; 60 s by default.", "aexl"),
        Key("jitter", _Jitter(), "The part of the wait that is left to chance; `true` is 0.5.", "aexl"),
        Key(
            "on",
            ListOf(Choice(get_args(RetryOn)), single=True),
            "What is worth another attempt; all by default.",
            "aexl",
        ),
    ],
)


RETRY: Final = Either(
    "a number of attempts, or a mapping",
    Made(Number(1, 100, whole=True), lambda times: Retry(times=times)),
    RETRY_TABLE,
)


def _build_resume(values: Values) -> Resume:
    return Resume(step=values.get("step", str), fork=values.get("fork", bool, False))


RESUME_TABLE: Final = Record(
    title="resume",
    words="a mapping with step or fork",
    text="Go on in an agent's session: `true` for the latest of the run, the id of a step for that step's.",
    build=_build_resume,
    keys=[
        Key("step", Name(), "Whose session; the latest by default.", "aexl"),
        Key("fork", Flag(), "`true`: leave that session as it is and go on in a copy.", "aexl"),
    ],
)


@dataclass(frozen=True)
class _ResumeWord:
    words: str = "true, false or the id of a step"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return Resume() if node.value else None
        step = Name().read(node, name, reader)
        return Resume(step=step) if isinstance(step, str) else INVALID

    def schema(self) -> Schema:
        return {"anyOf": [Flag().schema(), Name().schema()]}


RESUME: Final = Either("true, false, the id of a step, or a mapping", _ResumeWord(), RESUME_TABLE)


def read_failure(values: Values) -> tuple[OnError | None, Retry | None]:
    """Return what follows from a failure, from ail's two keys or our own."""
    word: Any = values.get("on_error", str)
    retry = values.get("retry", Retry)
    times = values.get("max_retries", int)
    if word == "retry":
        if times is None and "retry" not in values:
            if "max_retries" not in values:
                values.problem("on_error", "on_error: retry needs 'max_retries'", "add max_retries: 2")
        elif times is not None and retry is None:
            retry = Retry(times=times)
        word = None
    elif "max_retries" in values and not ("on_error" in values and word is None):
        values.problem("max_retries", "max_retries needs 'on_error: retry'", "add on_error: retry")
    if "max_retries" in values and "retry" in values:
        values.problem("max_retries", "'retry' and 'max_retries' are the same", "leave one out")
    return word, retry


def read_timeout(values: Values) -> float | None:
    """Return the seconds of ``timeout``, under whichever of its two names."""
    if "timeout" in values and "timeout_seconds" in values:
        values.problem("timeout_seconds", "'timeout' and 'timeout_seconds' are the same", "leave one out")
    return values.get("timeout", float, values.get("timeout_seconds", float))


RECORDS: Final = (BUDGET_TABLE, RETRY_TABLE, RESUME_TABLE)
