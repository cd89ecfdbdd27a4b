"""What pytest loads: readable assertions in the conformance suites, and a fake host.

Where aexl is installed, pytest finds this by itself; ``pytest -p aexl.testing.plugin``
names it where plugins are not looked for (``PYTEST_DISABLE_PLUGIN_AUTOLOAD``). The entry
point has the module's own name, so that doing both loads it once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aexl.testing.host import FakeHost

pytest.register_assert_rewrite(
    "aexl.testing.admission",
    "aexl.testing.blobs",
    "aexl.testing.dispatcher",
    "aexl.testing.loading",
    "aexl.testing.mount",
    "aexl.testing.provider",
    "aexl.testing.settlement",
    "aexl.testing.snapshots",
)


@pytest.fixture
def fake_host(tmp_path: Path) -> FakeHost:
    """A host that holds still, with an empty home of its own."""
    from aexl.testing.host import FakeHost

    return FakeHost(tmp_path)
