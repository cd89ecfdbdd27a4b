"""The fake book keeps the promises of a book."""

from collections.abc import Mapping

import pytest

from aexl.api import Settlement
from aexl.testing.book import FakeBook
from aexl.testing.settlement import OpenBook, SettlementConformance


async def _open(budgets: Mapping[str, int | None], parents: Mapping[str, str] | None = None) -> Settlement:
    return FakeBook(budgets, parents)


class TestFakeBook(SettlementConformance):
    @pytest.fixture
    def open_book(self) -> OpenBook:
        return _open
