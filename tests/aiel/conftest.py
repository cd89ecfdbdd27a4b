"""The unmodified ``aiel`` client and SDK against a server of the tests' own.

``tests/aiel/install`` puts them into ``build/aiel``. Without it, their tests are skipped.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiel_person import INSTALLED, Person, serving
from program import Program


@pytest.fixture(autouse=True)
def _installed() -> None:
    if not (INSTALLED / "aiel").exists():
        pytest.skip("the aiel client is not in build/aiel: run tests/aiel/install")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server for all tests that do not kill it; each is a tenant of its own."""
    home = tmp_path_factory.mktemp("aiel") / "home"
    home.mkdir(mode=0o700)
    with serving(home) as program:
        yield program


@pytest.fixture
def program(shared: Program, tmp_path: Path) -> Program:
    """The shared server, for commands of a home that no one else uses."""
    made = Program(tmp_path, shared.upstream)
    made.url = made.environ["AEXL_URL"] = shared.url
    return made


@pytest.fixture
def tenant(shared: Program, program: Program, tmp_path: Path) -> dict[str, Any]:
    """A new tenant, whose owner the program's commands are."""
    name = f"t{tmp_path.name.replace('_', '-')}"
    found: dict[str, Any] = shared.json("auth", "tenant", "create", name, "--email", "ann@example.org")
    program.environ["AEXL_TOKEN"] = program.environ["AEXL_SNAPSHOTS_TOKEN"] = found["token"]
    return found


@pytest.fixture
def person(tmp_path: Path, program: Program, tenant: dict[str, Any]) -> Person:
    """The tenant's owner, who has logged in with the client before, and chosen the only workspace and project."""
    return Person(tmp_path, program.url, tenant)


@pytest.fixture
def add_integration(program: Program, tenant: dict[str, Any]) -> Callable[[], str]:
    """Adds an integration and returns its id; no command does it yet, because nothing could run it."""

    def add() -> str:
        ids = f"{tenant['workspace']['id']}/projects/{tenant['project']['id']}"
        body = {"provider": "jira", "name": "Tickets", "allowed_actions": ["myself"], "granted_actions": ["myself"]}
        request = urllib.request.Request(
            f"{program.url}/api/v1/workspaces/{ids}/integrations",
            data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {tenant['token']}"},
        )
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["connection_id"])

    return add
