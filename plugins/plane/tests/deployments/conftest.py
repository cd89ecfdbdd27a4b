"""A plane whose handlers are run by a fake, and a project with a snapshot."""

from __future__ import annotations

import pytest

from aexl.api import Journal
from aexl.testing.handlers import fake_numbers
from aexl_plane.deployments.actors import Actor
from aexl_plane.records import Deployment

ENTRY = b"from aexl.sdk import tool\n"


@pytest.fixture
def handlers():
    return fake_numbers()


@pytest.fixture
async def plane(home, run_plane, handlers):
    async with run_plane(home, "", ("snapshots", "ledger"), handlers) as made:
        yield made


class Deployer:
    """A project, and who deploys it."""

    def __init__(self, client):
        self.client = client
        self.deployments = client.plane.assembly.deployments
        self.project = client.made.project.id
        self.actor = Actor("owner@acme.example", client.made.user.id)

    async def snapshot(self, text="1", path="entry_point.py", expected=None):
        """Change a file, and return the snapshot that it made."""
        files = await self.client.files()
        version = files[path]["version"] if path in files else 0
        data = text if isinstance(text, bytes) else f"{ENTRY.decode()}VALUE = {text!r}\n".encode()
        return (await self.client.put(path, data, version))["snapshot"]

    async def deploy(self, environment="dev", **wanted):
        return await self.deployments.deploy(self.actor, self.project, environment, **wanted)

    async def serving(self, environment="dev"):
        return await self.deployments.serving(self.project, environment)

    async def told(self):
        """Return what the ledger hears of deployments, oldest first: kind and data."""
        found = await self.client.plane.host.service(Journal).read(0, 1000)
        words = ("deploy", "environment", "canary")
        return [
            (each["kind"].removeprefix("plane."), each["data"])
            for each in found
            if each["kind"].removeprefix("plane.").startswith(words)
        ]


@pytest.fixture
async def deployer(client):
    made = Deployer(client)
    made.first = await made.snapshot("1")
    return made


@pytest.fixture(scope="module")
def waiting_record():
    return Deployment(
        id="dp_1", project="pr_1", environment="prod", snapshot="0" * 64, runtime="", described={}, weight=100,
        status="waiting", cause="deploy", follows=None, replaces=None, by="anna@acme.example", asker="us_1", reason="",
        created=1.0, decided=None, decided_by=None,
    )  # fmt: skip
