"""The ledger keeps the promises of a book, with its thread and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from aexl.api import NewAgent, Settlement
from aexl.testing.settlement import OpenBook, SettlementConformance
from aexl_ledger.roles import LedgerAccounts


def _opener(open_ledger: Callable[..., Any], threaded: bool) -> OpenBook:
    async def open_book(budgets: Mapping[str, int | None], parents: Mapping[str, str] | None = None) -> Settlement:
        ledger = await open_ledger(threaded=threaded)
        accounts = LedgerAccounts(ledger)
        for name, budget in budgets.items():
            await accounts.create(NewAgent(name=name, budget=budget, parent=(parents or {}).get(name)))
        return ledger

    return open_book


class TestLedgerInTheLoop(SettlementConformance):
    @pytest.fixture
    def open_book(self, open_ledger: Callable[..., Any]) -> OpenBook:
        return _opener(open_ledger, threaded=False)


class TestLedgerWithItsThread(SettlementConformance):
    @pytest.fixture
    def open_book(self, open_ledger: Callable[..., Any]) -> OpenBook:
        return _opener(open_ledger, threaded=True)
