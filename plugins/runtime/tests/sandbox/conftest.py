"""What the sandbox's tests share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from sandbox_modes import Drivers  # after the folder is importable


@pytest.fixture(scope="session")
def drivers():
    return Drivers()
