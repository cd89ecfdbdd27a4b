"""The example of a hook's page, as a stranger would copy it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "hooks"


@pytest.fixture
def example(request: pytest.FixtureRequest) -> dict[str, object]:
    """The names that the page's Python block defines."""
    hook = request.path.stem.removeprefix("test_hook_")
    [block] = re.findall(r"```python\n(.*?)```", (PAGES / f"aexl_{hook}.md").read_text(), re.DOTALL)
    names: dict[str, object] = {"__name__": f"example_{hook}"}
    exec(compile(block, f"aexl_{hook}.md", "exec", dont_inherit=True), names)
    return names
