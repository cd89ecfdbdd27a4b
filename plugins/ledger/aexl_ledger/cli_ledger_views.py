"""How ``aexl ledger`` shows executions and events to a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from aexl.api import Execution, format_usd
from aexl_ledger.chain import Event, decode
from aexl_ledger.cli_agent_views import show_time
from aexl_ledger.windows import MICROS

COLUMNS: Final = ("EXECUTION", "TIME", "AGENT", "MODEL", "STATES", ">COST", "NOTE")

_MONEY: Final = frozenset({"amount", "hold", "remaining", "was", "budget", "daily", "monthly", "carried"})


def states(execution: Execution) -> str:
    """Return the states that an execution went through, as a chain."""
    return " > ".join(state for state, _ in execution.states)


def note(execution: Execution) -> str:
    """Return what is remarkable about an execution."""
    marks = [mark for mark, on in (("OVERRUN", execution.overrun), ("estimated", execution.estimated)) if on]
    if execution.attempts:
        marks.append(f"attempt {len(execution.attempts) + 1}")
    if execution.reason not in (None, "usage"):
        marks.append(str(execution.reason))
    return ", ".join(marks)


def row(execution: Execution) -> tuple[str, ...]:
    """Return a row of the table."""
    cost = "" if execution.cost is None else format_usd(execution.cost)
    began = show_time(execution.states[0][1]) or ""
    return (execution.id, began, execution.agent, execution.model, states(execution), cost, note(execution))


def detail(execution: Execution) -> Iterator[str]:
    """Return the lines that tell everything about one execution."""
    facts: list[tuple[str, object]] = [
        ("execution", execution.id),
        ("agent", execution.agent),
        ("states", states(execution)),
        ("surface", execution.surface),
        ("model", execution.model),
        ("provider", execution.provider),
        ("provider model", execution.provider_model),
        ("price", execution.price_version),
        ("set aside", f"{format_usd(execution.hold)} USD"),
        ("cost", None if execution.cost is None else f"{format_usd(execution.cost)} USD"),
        ("note", note(execution) or None),
        ("status", execution.status),
        ("usage", None if execution.usage is None else _pairs(_used(execution))),
        ("labels", _pairs(execution.labels) or None),
    ]
    facts.extend((state, show_time(at)) for state, at in execution.states)
    facts.extend(("failed before", _attempt(attempt)) for attempt in execution.attempts)
    facts.extend(("receipt", f"{receipt.seq}:{receipt.hash}") for receipt in execution.receipts)
    return (f"{name:<15}{value}" for name, value in facts if value is not None)


def _attempt(attempt: Mapping[str, object]) -> str:
    status = "" if attempt["status"] is None else f" {attempt['status']}"
    return f"{attempt['provider']} {attempt['provider_model']}: {attempt['ending']} ({attempt['code']}{status})"


def _used(execution: Execution) -> Mapping[str, object]:
    used: dict[str, object] = msgspec.to_builtins(execution.usage)
    return {name: value for name, value in used.items() if value}


def _pairs(values: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def line(body: bytes) -> str:
    """Return an event on one line."""
    event = decode(body)
    return f"{event.seq:>8}  {_time(event)}  {event.kind:<22}{event.subject}  {_pairs(_readable(event.data))}".rstrip()


def _time(event: Event) -> str:
    return show_time(event.time / MICROS) or ""


def _readable(data: Mapping[str, Any]) -> dict[str, object]:
    readable: dict[str, object] = {}
    for name, value in data.items():
        if name in _MONEY and isinstance(value, int):
            readable[name] = f"{format_usd(value)}USD"
        elif isinstance(value, dict):
            readable[name] = "{" + _pairs(value) + "}"
        else:
            readable[name] = value
    return readable


def story(life: Iterable[tuple[Event, str]]) -> Iterator[str]:
    """Return an execution's events as sentences."""
    for event, digest in life:
        yield f"{_time(event)}  {_sentence(event)}"
        yield f"{'':22}event {event.seq}, hash {digest}"


def _sentence(event: Event) -> str:
    data = event.data
    match event.kind:
        case "execution.reserved":
            return (
                f"{data['agent']} asked for {data['model']} ({data['surface']}): {format_usd(data['hold'])} USD "
                f"were set aside for up to {data['output_bound']} output tokens, and it was sent to {data['provider']}"
            )
        case "execution.committed":
            bound = "an estimate" if data["estimated"] else "as the provider said"
            over = "; more than was set aside, so the agent was frozen" if data.get("overrun") else ""
            return f"it cost {format_usd(data['amount'])} USD, {bound} ({data['reason']}){over}"
        case "execution.released":
            return f"it cost nothing, and what was set aside was given back ({data['reason']})"
        case "execution.denied":
            return f"{data['agent']} asked for {data['model']} and was refused: {data['code']} ({data['status']})"
        case "execution.corrected":
            return (
                f"it was corrected from {format_usd(data['was'])} to {format_usd(data['amount'])} USD: {data['reason']}"
            )
        case _:
            return f"{event.kind} {_pairs(_readable(data))}"
