"""Real agent CLIs under ``aexl run``, with a server and a model server of the test's own.

``tests/agents/install`` puts the CLIs into ``build/agents``. A test whose CLI is not there is skipped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_model import AgentModel
from desk import Desk


@pytest.fixture
def model() -> Iterator[AgentModel]:
    """A model that asks for no command; a test gives it some."""
    with AgentModel() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, model: AgentModel) -> Iterator[Desk]:
    """A desk with a running server."""
    made = Desk(tmp_path, model)
    made.start()
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)
