"""What ``aexl agent`` takes: options that several commands share, and reading them."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

from aexl.api import Limits, parse_usd
from aexl.errors import Invalid

NONE: Final = "none"
UNLIMITED: Final = "unlimited"

_COUNT: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,3})?", re.ASCII)
_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhd]?)", re.ASCII)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

JSON = typer.Option(False, "--json", help="Print JSON.")
TTL = typer.Option(None, help="How long the token lives, as in 90m, 24h or 7d; for ever by default.", metavar="TIME")
LABEL = typer.Option(None, help="A label for the token's executions; may be given again.", metavar="KEY=VALUE")
REASON = typer.Option("by hand", help="Why; stands in the ledger and in refusals.")
SCOPE = typer.Option("execute", help="What the token may do: read, execute or admin.")
DAILY = typer.Option(None, help="USD a day; 'unlimited' takes the limit away.", metavar="USD")
MONTHLY = typer.Option(None, help="USD a month; 'unlimited' takes the limit away.", metavar="USD")
TIMEZONE = typer.Option(None, help="Where days and months begin, as in Europe/Berlin; UTC by default.", metavar="ZONE")


def read_budget(text: str, what: str) -> int | None:
    """Return nano-dollars, or ``None`` for ``unlimited``.

    Raises:
        Invalid: If it is neither; names the value.
    """
    return None if text == UNLIMITED else parse_usd(text, what)


def read_duration(text: str | None) -> float | None:
    """Return seconds for ``90``, ``90s``, ``15m``, ``24h`` or ``7d``.

    Raises:
        Invalid: If it is none of these.
    """
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Invalid(f"--ttl must be a time such as 90m, 24h or 7d, not {text!r}")
    return float(int(found[1]) * _UNITS[found[2]])


def read_labels(given: Sequence[str] | None) -> dict[str, str]:
    """Return labels by key.

    Raises:
        Invalid: If one is not ``KEY=VALUE``.
    """
    labels = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Invalid(f"--label must be KEY=VALUE, not {text!r}")
        labels[key] = value
    return labels


def _read_count(text: str, option: str) -> int | None:
    if text == NONE:
        return None
    if _COUNT.fullmatch(text) is None:
        raise Invalid(f"{option} must be a whole number above 0, or 'none', not {text!r}")
    return int(text)


def _read_seconds(text: str, option: str) -> float:
    if _SECONDS.fullmatch(text) is None:
        raise Invalid(f"{option} must be seconds such as 10 or 0.5, not {text!r}")
    return float(text)


def _read_globs(texts: Sequence[str], option: str) -> tuple[str, ...] | None:
    globs = tuple(glob.strip() for text in texts for glob in text.split(","))
    if globs == (NONE,):
        return None
    if not all(globs):
        raise Invalid(f"{option} must be names or globs such as gpt-*, not {','.join(texts)!r}")
    return globs


def _count(option: str, text: str) -> tuple[Any, Callable[[Any, str], object]]:
    found = typer.Option(option, help=f"{text}; 'none' takes the limit away.", metavar="N", show_default=False)
    return Annotated[str | None, found], _read_count


def _globs(option: str, text: str) -> tuple[Any, Callable[[Any, str], object]]:
    found = typer.Option(option, help=f"{text}; may be given again; 'none' allows all.", metavar="GLOB")
    return Annotated[list[str] | None, found], _read_globs


def _flag(option: str, text: str) -> tuple[Any, Callable[[Any, str], object]]:
    found = typer.Option(f"--{option}/--no-{option}", help=text, show_default=False)
    return Annotated[bool | None, found], lambda value, _: value


_QUEUE = typer.Option("--queue", help="Seconds a call may wait for its turn; 10 by default.", metavar="SECONDS")

_LIMITS: Final[Mapping[str, tuple[Any, Callable[[Any, str], object]]]] = {
    "models": _globs("--models", "Models it may use"),
    "streaming": _flag("streaming", "May stream."),
    "tools": _flag("tools", "May use tools."),
    "tool_names": _globs("--tool-names", "Tools it may use"),
    "function_choice": _flag("function-choice", "May force a tool."),
    "vision": _flag("vision", "May send images."),
    "json_mode": _flag("json-mode", "May ask for JSON."),
    "max_input_tokens": _count("--max-input-tokens", "Input tokens of a call"),
    "max_output_tokens": _count("--max-output-tokens", "Output tokens of a call"),
    "max_total_tokens": _count("--max-total-tokens", "Input and output tokens of a call together"),
    "rpm": _count("--rpm", "Requests in any 60 seconds"),
    "tpm": _count("--tpm", "Tokens in any 60 seconds"),
    "concurrency": _count("--concurrency", "Calls at a time"),
    "queue": (Annotated[str | None, _QUEUE], _read_seconds),
    "strict": _flag("strict", "Refuse parameters that aexl does not know."),
    "passthrough": _flag("passthrough", "May bring its own provider key."),
    "clamp": _flag("clamp", "Lower a call's output limit to what the budget can hold, instead of refusing the call."),
}
"""By the name of the field in ``Limits``: the option's type for Typer, and what reads its value."""


def with_limits(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options for limits; it gets those that were used as ``limits``, by field."""
    signature = inspect.signature(function, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "limits"]
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, (annotation, _) in _LIMITS.items()
    ]

    @functools.wraps(function)
    def command(**values: Any) -> None:
        limits = {name: values.pop(name) for name in _LIMITS}
        function(**values, limits={name: value for name, value in limits.items() if value is not None})

    command.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]  # inspect reads it
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *extra)}
    return command


def change_limits(limits: Limits, given: Mapping[str, object]) -> Limits:
    """Return limits with the options that were given.

    Raises:
        Invalid: If a value is wrong; names option and value.
    """
    changes = {name: _LIMITS[name][1](value, f"--{name.replace('_', '-')}") for name, value in given.items()}
    return msgspec.structs.replace(limits, **changes)
