"""The runner ``stub``: answers without a model, for dry runs and tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from aexl.api import Host, Usage
from aexl.api.runners import (
    Ability,
    Concluded,
    ErrorKind,
    RunnerError,
    RunnerEvent,
    RunnerOutcome,
    RunnerRequest,
    Spent,
    Started,
    Text,
    ToolResult,
    ToolUse,
)
from aexl.errors import Invalid
from aexl_pipelines.runners.hosted import Hosted, conclude
from aexl_pipelines.runners.launching import compact, read_options
from aexl_pipelines.runners.structured import check_schema, fault_of

ANSWER: Final = "stub response"

_DEPTH: Final = 32
"""Levels of a schema that an example is made for."""


class StubOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it does.

    Attributes:
        answer: What it says; with a schema and without an answer, the smallest value that is valid.
        answers: What it says to prompts that contain a text; the first that does wins.
        files: Files to write, below the working folder.
        seconds: How long it takes.
        error: Why it fails, instead of answering.
        message: What it says of that.
        usage: Tokens that it claims to have used.
        cost: Nano-dollars that it claims to have spent.
    """

    answer: str | None = None
    answers: dict[str, str] = {}
    files: dict[str, str] = {}
    seconds: float = 0.0
    error: ErrorKind | None = None
    message: str = "the stub was told to fail"
    usage: Usage = Usage()
    cost: int | None = None


class StubRunner(Hosted):
    """Does what its options say, and nothing of what else is asked of it."""

    name = "stub"
    capabilities: frozenset[str] = frozenset(Ability)

    async def run(
        self,
        host: Host,  # noqa: ARG002 - the interface's; nothing is started
        request: RunnerRequest,
        tell: Callable[[RunnerEvent], Awaitable[None]],
    ) -> RunnerOutcome:
        """Answer."""
        import trio

        options = read_options(self.name, request.options, StubOptions)
        text = _answer(options, request)
        session = request.session.id or f"stub-{request.home.name}"
        await tell(Started(session=session, model=request.model))
        await trio.sleep(options.seconds)
        for name, content in options.files.items():
            await _write(request.cwd, name, content)
            await tell(ToolUse(id=name, name="write", input={"path": name}))
            await tell(ToolResult(id=name))
        error = None
        if options.error is not None:
            error, text = RunnerError(kind=options.error, message=options.message), ""
        else:
            await tell(Text(text, whole=True))
        await tell(Spent(usage=options.usage, cost=options.cost))
        await tell(Concluded(text=text, error=error))
        return conclude(request, text, error=error, session=session, usage=options.usage, cost=options.cost or 0)


def _answer(options: StubOptions, request: RunnerRequest) -> str:
    for part, answer in options.answers.items():
        if part in request.prompt:
            return answer
    if options.answer is not None:
        return options.answer
    if request.schema is None:
        return ANSWER
    check_schema(request.schema)
    example = example_of(request.schema)
    fault = fault_of(example, request.schema)
    if fault:
        raise Invalid(f"runner stub finds no value that is valid against the schema ({fault}): give it an answer")
    return compact(example)


async def _write(folder: Path, name: str, content: str) -> None:
    import trio

    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve()):
        raise Invalid(f"runner stub writes below the working folder only, not {name!r}")
    await trio.Path(place.parent).mkdir(parents=True, exist_ok=True)
    await trio.Path(place).write_text(content, encoding="utf-8")


def example_of(schema: object, depth: int = 0) -> object:
    """Return a small value for a JSON Schema; whether it is valid must be seen."""
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        values = schema.get(key)
        if isinstance(values, list) and values:
            return values[0]
    for key in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(key)
        if isinstance(choices, list) and choices:
            return example_of(choices[0], depth + 1)
    return _by_type(schema, depth)


def _by_type(schema: Mapping[str, object], depth: int) -> object:
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            return _object(schema, depth)
        case "array":
            least = schema.get("minItems")
            return [example_of(schema.get("items"), depth + 1)] * (min(least, 100) if isinstance(least, int) else 0)
        case "string":
            least = schema.get("minLength")
            return "stub".ljust(min(least, 10_000) if isinstance(least, int) else 0, ".")
        case "integer" | "number":
            least = schema.get("minimum")
            return least if isinstance(least, (int, float)) else 0
        case "boolean":
            return False
        case None if "properties" in schema:
            return _object(schema, depth)
        case _:
            return None


def _object(schema: Mapping[str, object], depth: int) -> dict[str, object]:
    properties, required = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, Mapping) else {}
    names = required if isinstance(required, list) else list(known)
    return {str(name): example_of(known.get(name), depth + 1) for name in names}
