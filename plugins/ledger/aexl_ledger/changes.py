"""What the loop keeps copies of, taken from the writer's state as immutable values. Pure."""

from __future__ import annotations

from aexl_ledger.driver import Balance, Changes, Credential, Profile
from aexl_ledger.engine import Engine
from aexl_ledger.lifecycle import effective_state
from aexl_ledger.state import AgentRow, TokenRow


def changes_of(engine: Engine) -> Changes:
    """Return what the last batch touched."""
    state = engine.state
    changes = Changes(head=(engine.seq, engine.hash))
    if state.touched_agents:
        changes.balances = [_balance(agent) for agent in state.touched_agents.values()]
    if state.touched_profiles:
        # A state holds for the descendants as well, so those of a changed agent change with it.
        changed = state.touched_profiles
        changes.profiles = [
            _profile(agent) for agent in state.agents.values() if any(each.name in changed for each in agent.chain)
        ]
    if state.touched_tokens:
        changes.credentials = [_credential(token) for token in state.touched_tokens.values()]
    return changes


def everything(engine: Engine) -> Changes:
    """Return all there is, after it was loaded."""
    state = engine.state
    return Changes(
        profiles=[_profile(agent) for agent in state.agents.values()],
        credentials=[_credential(token) for token in state.tokens.values()],
        balances=[_balance(agent) for agent in state.agents.values()],
        head=(engine.seq, engine.hash),
        complete=True,
    )


def _profile(agent: AgentRow) -> Profile:
    return Profile(agent.name, tuple(each.name for each in agent.chain[1:]), effective_state(agent), agent.limits)


def _credential(token: TokenRow) -> Credential:
    return Credential(
        token.id, token.agent, token.digest, token.scope, dict(token.labels), token.expires, token.revoked
    )


def _balance(agent: AgentRow) -> Balance:
    return Balance(agent.name, agent.budget, agent.spent, agent.reserved, agent.deleted)
