"""What a request asks for, against what a runner declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from aexl.api import Runner
from aexl.api.runners import Ability, RunnerRequest
from aexl.errors import Invalid

ALWAYS: Final = frozenset({Ability.SCHEMA, Ability.USAGE, Ability.COST, Ability.DELTAS, Ability.TOOL_EVENTS})
"""What describes a runner, and is never missing: see ``Ability``."""

_ALTERNATIVES: Final[Mapping[Ability, str]] = {
    Ability.MODEL: "leave the model out",
    Ability.SESSION_ID: "leave the id out and take the one that the outcome has",
    Ability.RESUME: "put what the agent must know into the prompt",
    Ability.FORK: "resume the session instead",
    Ability.SYSTEM_REPLACE: "use append_system_prompt, or put it into the prompt",
    Ability.SYSTEM_APPEND: "use system_prompt, or put it into the prompt",
    Ability.TOOLS_ALLOW: "choose what may be done by mode",
    Ability.TOOLS_DENY: "choose what may be done by mode",
    Ability.TOOLS_OFF: "use mode: read",
    Ability.MODE_READ: "deny the tools that write",
    Ability.MODE_EDIT: "use mode: all",
    Ability.MODE_ALL: "use mode: edit",
    Ability.MODE_ASK: "use mode: read or edit, and a gate after the step",
    Ability.TURNS: "use timeout, or a budget of the run",
    Ability.USD: "use a budget of the run, which the server holds",
    Ability.THINKING: "choose a model that thinks",
}
_SAMPLING: Final = "leave it to the model"


class Wish(NamedTuple):
    """One thing that a request asks for: which ability it needs, and what a person wrote."""

    ability: Ability
    option: str


def wishes(request: RunnerRequest) -> Iterator[Wish]:
    """Yield what a request asks for, in the order in which a person reads it."""
    if request.model is not None:
        yield Wish(Ability.MODEL, f"model {request.model!r}")
    yield from _session_wishes(request)
    if request.system is not None:
        yield Wish(Ability.SYSTEM_REPLACE, "system_prompt")
    if request.append_system:
        yield Wish(Ability.SYSTEM_APPEND, "append_system_prompt")
    yield from _tool_wishes(request)
    if request.limits.turns is not None:
        yield Wish(Ability.TURNS, f"a limit of {request.limits.turns} turns")
    if request.limits.usd is not None:
        yield Wish(Ability.USD, "a limit in USD of its own")
    yield from _sampling_wishes(request)


def missing(capabilities: Collection[str], request: RunnerRequest) -> list[Wish]:
    """Return what a request asks for and a runner with these capabilities cannot do."""
    return [wish for wish in wishes(request) if wish.ability not in capabilities]


def check_request(runner: Runner, request: RunnerRequest, others: Collection[Runner] = ()) -> None:
    """See that a runner can do what is asked for.

    Args:
        runner: Who is asked.
        request: What for.
        others: Runners to name where they could do it.

    Raises:
        Invalid: If it cannot; names the runner, each option, and what would do.
    """
    problems = [
        f"runner {runner.name} cannot honour {wish.option}: {_way_out(wish, others)}"
        for wish in missing(runner.capabilities, request)
    ]
    if request.session.kind != "new" and not request.session.id:
        problems.append(f"runner {runner.name} cannot {request.session.kind} a session without its id")
    if problems:
        raise Invalid("\n".join(problems))


def _way_out(wish: Wish, others: Collection[Runner]) -> str:
    able = [other.name for other in others if wish.ability in other.capabilities and other.name not in _NO_AGENTS]
    way = _ALTERNATIVES.get(wish.ability, _SAMPLING)
    return f"{way}, or use a runner that can ({', '.join(able)})" if able else way


_NO_AGENTS: Final = frozenset({"cassette", "stub"})


def _session_wishes(request: RunnerRequest) -> Iterator[Wish]:
    session = request.session
    match session.kind:
        case "resume":
            yield Wish(Ability.RESUME, "resuming a session")
        case "fork":
            yield Wish(Ability.FORK, "forking a session")
        case "new" if session.id is not None:
            yield Wish(Ability.SESSION_ID, "a session id chosen beforehand")
        case _:
            return


def _tool_wishes(request: RunnerRequest) -> Iterator[Wish]:
    tools = request.tools
    if tools.disabled:
        yield Wish(Ability.TOOLS_OFF, "tools: disabled")
        return
    if tools.allow:
        yield Wish(Ability.TOOLS_ALLOW, f"tools: allow {', '.join(tools.allow)}")
    if tools.deny:
        yield Wish(Ability.TOOLS_DENY, f"tools: deny {', '.join(tools.deny)}")
    if tools.mode != "default":
        yield Wish(Ability(f"mode-{tools.mode}"), f"mode: {tools.mode}")


def _sampling_wishes(request: RunnerRequest) -> Iterator[Wish]:
    sampling = request.sampling
    asked = {
        Ability.TEMPERATURE: sampling.temperature,
        Ability.TOP_P: sampling.top_p,
        Ability.TOP_K: sampling.top_k,
        Ability.MAX_TOKENS: sampling.max_tokens,
        Ability.STOP: sampling.stop or None,
        Ability.THINKING: sampling.thinking,
    }
    for ability, value in asked.items():
        if value is not None:
            yield Wish(ability, f"sampling: {ability.value.replace('-', '_')}")
