"""What a policy file may import: the call as a policy sees it, and the answers it may give.

A policy is a Python file with one function::

    def evaluate(call):
        if call.agent.startswith("intern-") and call.model != "gpt-oss-20b":
            return "interns use gpt-oss-20b"

It answers with

- ``None``, ``True`` or ``"allow"``: nothing to say against it;
- any other string, or ``{"deny": "…"}``: refused, for this reason; ``False``: refused without one;
- ``{"patch": {…}}``: change it. Keys: ``model`` (a name), ``max_output_tokens`` (a whole number from 1),
  ``temperature`` (0 to 2), ``top_p`` (0 to 1). The agent's own limits hold for what comes out.

``allow``, ``deny`` and ``patch`` below make these answers; no import is needed
to write them by hand. Anything else, an exception, or no answer in time denies.

Standard library only: this module is what the worker process loads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

__all__ = ["PolicyCall", "allow", "deny", "patch"]


@dataclass(frozen=True, kw_only=True)
class PolicyCall:
    """A call, as the policies before this one left it.

    Attributes:
        agent: Who asks.
        labels: The token's labels, such as ``run`` and ``step``.
        surface: The dialect: ``chat``, ``responses``, ``messages``, …
        model: The name the caller used.
        stream: A stream was asked for.
        output_limit: The most output tokens of a choice, ``None`` where there is no limit.
        tools: The names of the tools on offer; ``mcp:<label>`` for a server, the type for a provider's own.
        time: Unix time, in seconds.
    """

    agent: str
    labels: Mapping[str, str]
    surface: str
    model: str
    stream: bool
    output_limit: int | None
    tools: tuple[str, ...]
    time: float
    _data: bytes = field(repr=False, default=b"{}")
    _changes: tuple[tuple[tuple[str, ...], object], ...] = field(repr=False, default=())

    @cached_property
    def body(self) -> dict[str, Any]:
        """The request's JSON object: a copy of one's own, read when it is first looked at."""
        body: dict[str, Any] = json.loads(self._data) if self._data else {}
        for path, value in self._changes:
            place = body
            for key in path[:-1]:
                inner = place.get(key)
                if not isinstance(inner, dict):
                    inner = place[key] = {}
                place = inner
            place[path[-1]] = value
        return body


def allow() -> None:
    """Say nothing against the call."""
    return


def deny(reason: str) -> dict[str, object]:
    """Refuse the call; the reason is told to the caller and kept in the ledger: at most 500 characters, no secrets."""
    return {"deny": reason}


def patch(**values: object) -> dict[str, object]:
    """Change the call: ``model``, ``max_output_tokens``, ``temperature``, ``top_p``."""
    return {"patch": values}


def make_call(view: Mapping[str, Any], data: bytes, changes: tuple[tuple[tuple[str, ...], object], ...]) -> PolicyCall:
    """Return what one policy gets to see. Used by the worker."""
    return PolicyCall(
        agent=view["agent"],
        labels=MappingProxyType(dict(view["labels"])),
        surface=view["surface"],
        model=view["model"],
        stream=view["stream"],
        output_limit=view["output_limit"],
        tools=tuple(view["tools"]),
        time=view["time"],
        _data=data,
        _changes=changes,
    )
