"""Gates over HTTP: list them, look at one, answer it."""

from __future__ import annotations

from typing import Final

import trio

from aexl.errors import Invalid, NotFound
from aexl_pipelines.gates.files import AlreadyDecided, GateFiles
from aexl_pipelines.gates.records import Standing
from aexl_pipelines.journal.records import Choice, Verdict
from aexl_pipelines.serving.answering import json
from aexl_pipelines.serving.bodies import GateAnswer, HitlAnswer
from aexl_pipelines.serving.endpoints import Ask, Sendable
from aexl_pipelines.serving.fields import Fields
from aexl_pipelines.serving.views import standing_view

_WORDS: Final[dict[str, Choice]] = {
    "allow": "approve",
    "deny": "reject",
    "use_transformed": "approve",
    "use_original": "reject",
    "use_edited": "edit",
    "approve": "approve",
    "reject": "reject",
    "edit": "edit",
}


async def listed(ask: Ask) -> Sendable:
    """List gates."""
    everything = ask.query.get("all") in {"1", "true"}
    found = await trio.to_thread.run_sync(visible_gates, ask)
    return json({"gates": [standing_view(each) for each in found if everything or each.decided is None]})


async def shown(ask: Ask) -> Sendable:
    """Show one gate."""
    await ask.station.desk.until_open(ask.path["gate"])
    return json(standing_view(await trio.to_thread.run_sync(find_gate, ask)))


async def decide(ask: Ask) -> Sendable:
    """Answer a gate, in our words or in ail's."""
    await ask.station.desk.until_open(ask.path["gate"])
    standing = await trio.to_thread.run_sync(find_gate, ask)
    return json(await answer_gate(ask, standing))


async def answer_gate(ask: Ask, standing: Standing) -> Fields:
    """Answer a gate with what the body says; return it as it is then.

    Raises:
        AlreadyDecided: If somebody was quicker.
        Invalid: If the gate cannot have this answer.
    """
    if standing.decided is not None:
        raise AlreadyDecided(standing.decided)
    decided = await ask.station.gates.decide(standing.gate, _verdict(ask))
    return standing_view(Standing(gate=standing.gate, decided=decided))


def visible_gates(ask: Ask) -> list[Standing]:
    """Return the gates of the runs that who asks may see, the oldest first. Blocks."""
    may_see = ask.station.owners.may_see
    return [each for each in GateFiles(ask.station.runs).listed() if may_see(ask.principal, each.gate.run)]


def find_gate(ask: Ask) -> Standing:
    """Return the gate that the path names, by its whole id. Blocks.

    Raises:
        NotFound: If there is none that who asks may see.
    """
    wanted = ask.path["gate"]
    for each in visible_gates(ask):
        if each.gate.id == wanted:
            return each
    raise NotFound(f"there is no gate {wanted[:40]!r}")


def _verdict(ask: Ask) -> Verdict:
    by = f"http:{ask.principal.agent}"
    if isinstance(ask.body, GateAnswer):
        return Verdict(choice=ask.body.choice, reason=ask.body.reason, text=ask.body.text, by=by)
    assert isinstance(ask.body, HitlAnswer)
    word = ask.body.behavior or ask.body.choice
    if word is None or (ask.body.behavior is not None and ask.body.choice is not None):
        raise Invalid("give 'choice', or to a permission 'behavior', and not both")
    return Verdict(choice=_WORDS[word], reason=ask.body.message, text=ask.body.edited_prompt, by=by)
