"""Recordings in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aexl.api import Call, Target
from aexl.testing.factories import make_call, make_target
from aexl.testing.provider import FakeProvider, FakeReply
from aexl_cassettes.config import Repeat, Timing
from aexl_cassettes.counts import Counts
from aexl_cassettes.folder import Folder
from aexl_cassettes.normal import Rules
from aexl_cassettes.player import Player
from aexl_cassettes.recorder import Recorder
from aexl_cassettes.requests import describe
from aexl_cassettes.shelf import Shelf
from aexl_cassettes.tape import FORMAT, Asked, End, Failure, Head, Piece, Tape


def make_tape(
    reply: FakeReply | None = None, call: Call | None = None, target: Target | None = None, at: float = 1000.0
) -> Tape:
    """Return the recording of an answer whose pieces came a second apart."""
    reply = reply or FakeReply()
    asked = Asked(cassette=FORMAT, at=at, request=describe(call or make_call(), target or make_target()))
    if reply.refuses is not None:
        return Tape(asked=asked, head=None, pieces=[], end=End(after=0.5, failure=Failure.of(reply.refuses)))
    headers = [(name.decode(), value.decode()) for name, value in reply.headers]
    pieces = [Piece.of(chunk, float(n)) for n, chunk in enumerate(reply.chunks, 1)]
    failure = Failure.of(reply.cut) if reply.cut else None
    end = End(
        after=len(pieces) + 1.0,
        finished=reply.finished and failure is None,
        usage=reply.usage,
        upstream_id=reply.upstream_id,
        failure=failure,
    )
    return Tape(asked=asked, head=Head(status=reply.status, headers=headers, after=0.5), pieces=pieces, end=end)


class Deck:
    """Makes recorders and players of one folder."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self.rules = Rules(headers=["anthropic-beta"])
        self.counts = Counts()

    def recorder(self, *replies: FakeReply, room: int = 1 << 20) -> Recorder:
        return Recorder(FakeProvider(*replies), self.folder, self.rules, room, self.counts)

    def player(self, *, timing: Timing = "none", repeat: Repeat = "last") -> Player:
        shelf = Shelf(self.folder, self.rules, repeat)
        shelf.load()
        return Player(FakeProvider(), self.folder, shelf, self.rules, timing, self.counts)

    def put(self, tape: Tape) -> str:
        return self.folder.write(self.rules.fingerprint(tape.asked.request), tape)


@pytest.fixture
def deck(tmp_path: Path) -> Deck:
    return Deck(tmp_path / "tapes")


@pytest.fixture
def tape() -> Callable[..., Tape]:
    return make_tape
