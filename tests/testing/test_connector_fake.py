"""The fake connector keeps the promises of its suite."""

from __future__ import annotations

from aexl.testing.connectors import ConnectorConformance, FakeConnectorType


class TestTheFake(ConnectorConformance):
    def make_type(self):
        return FakeConnectorType()

    async def test_parameters_that_make_no_sense_are_told_and_not_crashed_on(self):
        """It falls and waits for ever on purpose."""
