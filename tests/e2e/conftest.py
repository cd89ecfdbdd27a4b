"""The program beside a model server of its own, for each test or for a module."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from model_server import ModelServer
from program import Program


@pytest.fixture
def upstream() -> Iterator[ModelServer]:
    """A model server of this test's own."""
    with ModelServer() as server:
        yield server


@pytest.fixture
def program(home: Path, upstream: ModelServer) -> Iterator[Program]:
    """The program, configured for the model server; no server runs yet."""
    made = Program(home, upstream)
    made.configure()
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Program]:
    """The program with a server that runs for all tests of a module, which may configure more with ``SHARED``."""
    home = tmp_path_factory.mktemp("shared") / "home"
    home.mkdir(mode=0o700)
    with ModelServer() as server:
        made = Program(home, server)
        made.configure(getattr(request.module, "SHARED", "").replace("{upstream}", server.url))
        made.start()
        yield made
        made.stop(signal.SIGKILL)


@pytest.fixture
def served(program: Program) -> Program:
    """The program with a running server."""
    program.start()
    return program
