"""Loaded by pytest where aexl is installed: readable assertions in the conformance suites, and a fake host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aexl.testing.host import FakeHost

pytest.register_assert_rewrite(
    "aexl.testing.admission", "aexl.testing.dispatcher", "aexl.testing.provider", "aexl.testing.settlement"
)


@pytest.fixture
def fake_host(tmp_path: Path) -> FakeHost:
    """A host that holds still, with an empty home of its own."""
    from aexl.testing.host import FakeHost

    return FakeHost(tmp_path)
