"""Runs a batch of operations on the state and gathers what a driver must store. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aexl.api.records import Receipt
from aexl_ledger.chain import GENESIS, STREAM, encode, link
from aexl_ledger.executions import KeptAnswer, Settle
from aexl_ledger.fold import fold
from aexl_ledger.operations import Draft, Operation
from aexl_ledger.state import State

EventRow = tuple[int, int, str, str, bytes, bytes]
"""Stream, sequence number, kind, subject, body, hash."""


class Torn(Exception):
    """An operation failed after it had changed the state, which must be loaded again; a bug of ours."""

    def __init__(self, index: int, cause: BaseException) -> None:
        super().__init__(f"operation {index} of the batch failed half way: {cause!r}")
        self.index = index
        self.cause = cause


@dataclass(slots=True)
class Batch:
    """What became of a batch: an answer or an exception for each operation, and what to store."""

    results: list[object] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    answers: list[KeptAnswer] = field(default_factory=list)


class Engine:
    """The state and the head of its chain.

    Attributes:
        seq: The last event's number.
        hash: The last event's hash.
    """

    def __init__(self, state: State, seq: int = 0, hash: bytes = GENESIS) -> None:
        self.state = state
        self.seq = seq
        self.hash = hash

    def run(self, operations: Sequence[Operation[Any]], now: int) -> Batch:
        """Decide, fold and answer one operation after the other; ``now`` is Unix microseconds.

        What decides ``no`` changes nothing, an unexpected exception in
        ``decide`` included.

        Raises:
            Torn: If an operation failed later than that.
        """
        batch = Batch()
        results = batch.results
        state = self.state
        for index, operation in enumerate(operations):
            try:
                drafts = operation.decide(state, now)
            except Exception as error:
                results.append(error)
                continue
            try:
                results.append(self._apply(batch, operation, drafts, now))
            except Exception as error:
                raise Torn(index, error) from error
        return batch

    def _apply(self, batch: Batch, operation: Operation[Any], drafts: Sequence[Draft], now: int) -> object:
        seq, previous, state = self.seq, self.hash, self.state
        receipts = []
        for kind, subject, data in drafts:
            seq += 1
            body = encode(seq, now, kind, subject, data)
            previous = link(previous, body)
            fold(state, kind, subject, now, seq, data)
            batch.events.append((STREAM, seq, kind, subject, body, previous))
            receipts.append(Receipt(seq=seq, hash=previous.hex()))
        self.seq, self.hash = seq, previous
        result = operation.finish(state, receipts, now)
        if isinstance(operation, Settle) and operation.answer is not None:
            kept = operation.kept(now)
            if kept is not None:
                batch.answers.append(kept)
        return result
