"""What an operation on the ledger is: decide on the state, then let events change it. Pure.

The writer asks ``decide`` of one operation after the other. It raises or returns
drafts of events and never changes anything, so that an operation that fails
cannot sink its batch. The drafts become events and are folded; then ``finish``
makes the answer. Nothing is told to anyone before the batch is durable.
"""

# ruff: noqa: ARG002 - operations have one signature, whatever they need of it

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from aexl.api.money import MAX_AMOUNT
from aexl.api.records import Receipt
from aexl.errors import Invalid, NotFound
from aexl_ledger.state import AgentRow, State

R_co = TypeVar("R_co", covariant=True)


Draft: TypeAlias = tuple[str, str, dict[str, Any]]
"""An event before it has its number: kind, subject, data."""


class ClaimKey(NamedTuple):
    """What the driver must look up in the claims before it asks ``decide``."""

    agent: str
    key: bytes


class Operation(ABC, Generic[R_co]):
    """One request to the ledger; ``R_co`` is its answer.

    Attributes:
        urgent: Gets into a full queue, and is written when the disk is full:
            what ends a hold.
        writes: May change anything; what only reads is answered by a full disk too.
        quick: Looks nothing up on the disk and writes a few hundred bytes, so that the loop may decide and write it.
    """

    __slots__ = ()
    urgent: ClassVar[bool] = False
    writes: ClassVar[bool] = True
    quick: bool = False

    def claim(self) -> ClaimKey | None:
        """Return the claim that ``decide`` will look at."""
        return None

    def ended(self) -> str | None:
        """Return the execution without which ``decide`` cannot decide, where it has ended."""
        return None

    @abstractmethod
    def decide(self, state: State, now: int) -> Sequence[Draft]:
        """Return what happens; ``now`` is Unix microseconds. Changes nothing.

        Raises:
            AexlError: If the answer is no.
        """

    @abstractmethod
    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> R_co:
        """Return the answer, after the events have been folded; one receipt a draft."""


class Raise(Operation[None]):
    """Stands in a batch for an operation whose answer is known to be an error."""

    __slots__ = ("error",)
    writes = False

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        raise self.error

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> None:
        return None


def check_amount(amount: object, what: str) -> int:
    """Return ``amount`` if it is nano-dollars.

    Raises:
        Invalid: If it is no ``int``, or not in [0, 2^53].
    """
    if type(amount) is not int or not 0 <= amount <= MAX_AMOUNT:
        raise Invalid(f"{what} must be a whole number of nano-dollars from 0 to {MAX_AMOUNT}, not {amount!r}")
    return amount


def find_agent(state: State, name: str) -> AgentRow:
    """Return a living agent.

    Raises:
        NotFound: If there is none; suggests the nearest name.
    """
    agent = state.agents.get(name)
    if agent is None or agent.deleted:
        from difflib import get_close_matches

        near = get_close_matches(name, [each.name for each in state.living()], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; `aexl agent list` shows the ones there are"
        raise NotFound(f"there is no agent {name!r}{hint}")
    return agent


def check_text(text: object, what: str, longest: int) -> str:
    """Return ``text`` if it is a printable string of at most ``longest`` characters.

    Raises:
        Invalid: If not.
    """
    if not isinstance(text, str) or len(text) > longest or not text.isprintable():
        raise Invalid(f"{what} must be printable text of at most {longest} characters")
    return text
