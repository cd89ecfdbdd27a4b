from pathlib import Path

import pytest

LEAVE = """# Leave

Ask your lead for leave at least two weeks before it begins.

# Expenses

Receipts up to 50 EUR need no approval. Send them to accounting by the end of the month.
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with a small handbook."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "rules.md").write_text(LEAVE)
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder
