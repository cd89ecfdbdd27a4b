"""A recorded provider and a replayed one are providers like any other."""

from __future__ import annotations

import pytest

from aexl.api import Provider
from aexl.testing.provider import FakeReply, ProviderConformance


class TestRecorder(ProviderConformance):
    @pytest.fixture(autouse=True)
    def _deck(self, deck):
        self.deck = deck

    def make_provider(self) -> Provider:
        return self.deck.recorder()

    def scripted(self, reply: FakeReply) -> Provider:
        return self.deck.recorder(reply)


class TestPlayer(ProviderConformance):
    @pytest.fixture(autouse=True)
    def _deck(self, deck, tape):
        self.deck, self.tape = deck, tape

    def make_provider(self) -> Provider:
        return self.scripted(FakeReply())

    def scripted(self, reply: FakeReply) -> Provider:
        self.deck.put(self.tape(reply, self.call, self.target))
        return self.deck.player()
