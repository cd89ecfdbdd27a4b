"""An agent's limits as the checks that they need, made once and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aexl.api import Call, Limits
from aexl_policy.rules.choices import check_no_forced_tool
from aexl_policy.rules.denials import denied
from aexl_policy.rules.formats import check_no_json
from aexl_policy.rules.globs import Globs
from aexl_policy.rules.lifecycle import check_provider_key
from aexl_policy.rules.media import check_only_text
from aexl_policy.rules.models import check_models
from aexl_policy.rules.parameters import check_known
from aexl_policy.rules.tokens import limit_output
from aexl_policy.rules.tools import check_no_tools, check_tool_names

Check = Callable[[Call], None]
_KEPT: Final = 4096


class RuleBook:
    """What one set of limits asks of a call; without limits, next to nothing is done."""

    __slots__ = ("_checks", "_output", "_passthrough", "bounded", "rated")

    def __init__(self, limits: Limits) -> None:
        self._checks = tuple(_checks(limits))
        self._output = limits.max_output_tokens
        self._passthrough = limits.passthrough
        self.bounded = limits.max_input_tokens is not None or limits.max_total_tokens is not None
        self.rated = limits.rpm is not None or limits.tpm is not None or limits.concurrency is not None

    def apply(self, call: Call) -> Call:
        """Return the call with its output limit set.

        Raises:
            Refused: 403, naming the first rule that is broken.
        """
        if call.provider_key is not None and not self._passthrough:
            check_provider_key(call)
        for check in self._checks:
            check(call)
        return call if self._output is None else limit_output(call, self._output)


class RuleBooks:
    """The rule books of the agents that called lately; at most 4,096, then it starts afresh."""

    __slots__ = ("_books",)

    def __init__(self) -> None:
        self._books: dict[str, tuple[Limits, RuleBook]] = {}

    def of(self, agent: str, limits: Limits) -> RuleBook:
        """Return the agent's rule book, made anew when its limits have changed."""
        kept = self._books.get(agent)
        if kept is not None and (kept[0] is limits or kept[0] == limits):
            return kept[1]
        if len(self._books) >= _KEPT:
            self._books.clear()
        book = RuleBook(limits)
        self._books[agent] = (limits, book)
        return book


def _checks(limits: Limits) -> list[Check]:
    checks: list[Check] = []
    if limits.models is not None:
        models = Globs(limits.models)
        checks.append(lambda call: check_models(call, models))
    if limits.strict:
        checks.append(check_known)
    if not limits.streaming:
        checks.append(_check_no_stream)
    if not limits.tools:
        checks.append(lambda call: check_no_tools(call.body))
    elif limits.tool_names is not None:
        tool_names = Globs(limits.tool_names)
        checks.append(lambda call: check_tool_names(call.body, tool_names))
    if not limits.function_choice:
        checks.append(lambda call: check_no_forced_tool(call.body))
    if not limits.vision:
        checks.append(lambda call: check_only_text(call.body))
    if not limits.json_mode:
        checks.append(lambda call: check_no_json(call.body))
    return checks


def _check_no_stream(call: Call) -> None:
    key, how = "stream", "Set 'stream' to false"
    if call.surface == "speech":  # sound always comes as it is made; only its events are a stream
        key, how = "stream_format", "Set 'stream_format' to 'audio'"
        streams = call.body.get(key) == "sse"
    else:
        streams = call.stream or call.body.get("stream") is True
    if streams:
        how = "Call generateContent" if call.surface == "gemini" else how
        raise denied(f"This agent may not stream. {how}.", "streaming_not_allowed", key)
