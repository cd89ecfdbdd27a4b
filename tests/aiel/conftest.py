"""The unmodified ``aiel`` client and SDK against a server of the tests' own.

``tests/aiel/install`` puts them into ``build/aiel``. Without it, their tests are skipped.
"""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiel_person import INSTALLED, Person, serving
from model_server import ModelServer
from postgres_server import find_programs, postgres
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


INTEGRATIONS = """
[integrations.orders]
provider = "postgres"
tenants = ["*"]
credential = "ORDERS_URL"

[integrations.models]
provider = "openai"
tenants = ["*"]
agent = "payer"
model = "gpt.plain"
"""


@pytest.fixture
def equipped(tmp_path: Path) -> Iterator[tuple[Program, Person, dict[str, Any]]]:
    """A server of the test's own with models, a real PostgreSQL and integrations for both; its owner, and their tenant."""
    programs = find_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here: install the package pgserver")
    home = tmp_path / "server" / "home"
    home.mkdir(parents=True, mode=0o700)
    with postgres(programs) as url, ModelServer() as upstream:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, who text)")
        made = Program(home, upstream)
        made.configure(INTEGRATIONS)
        made.environ["ORDERS_URL"] = url
        made.start()
        try:
            made.agent("payer")
            tenant = made.json("auth", "bootstrap", "--email", "ann@example.org")
            yield made, Person(tmp_path, made.url, tenant), tenant
        finally:
            made.stop(signal.SIGKILL)


@pytest.fixture
def add_integration(program: Program, tenant: dict[str, Any]) -> Callable[[], str]:
    """Adds an integration that nothing here can run, and returns its id."""

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
