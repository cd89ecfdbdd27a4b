"""The fake of ``Repositories`` keeps the promises of a real one."""

from __future__ import annotations

import pytest

from aexl.api import Repositories
from aexl.testing.repositories import FakeRepositories, RepositoriesConformance


class TestFakeRepositories(RepositoriesConformance):
    @pytest.fixture
    def repositories(self):
        return FakeRepositories()


def test_it_plays_the_role():
    assert isinstance(FakeRepositories(), Repositories)
