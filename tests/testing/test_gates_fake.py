"""The fake queue of questions keeps the promises of a real one."""

from __future__ import annotations

import pytest

from aexl.testing.gates import FakeGates, GatesConformance


class TestFakeGates(GatesConformance):
    @pytest.fixture
    def gates(self):
        return FakeGates()
