"""A plane with something deployed, whose handlers a fake runs."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest
import trio

from aexl.testing.handlers import FakeHandlers

ENTRY = b"from aexl.sdk import tool\n"


class Scripted(FakeHandlers):
    """Functions by name, and some that wait until the test lets them go on.

    Attributes:
        gates: By handler: opened by a test.
        begun: By handler: how many runs of it have begun.
        busy: Raised one after the other instead of running.
        said: A record of the log of each run.
    """

    def __init__(self):
        super().__init__(
            {"add": lambda event: {"sum": event["a"] + event.get("b", 1)}, "break": self._break, "echo": lambda e: e}
        )
        self.gates: dict[str, trio.Event] = {}
        self.begun: dict[str, int] = {}
        self.busy: list[Exception] = []
        self.said = None
        self.servers = {"shop": ["add", "break"]}

    def _break(self, event):
        raise ValueError("broken")

    async def invoke(self, invocation, *, heard=None):
        if invocation.action == "describe":
            described = await super().invoke(invocation)
            self.invoked.pop()  # only runs are counted here
            return described
        if self.busy:
            raise self.busy.pop(0)
        if self.said is not None:
            heard(self.said)
        name = invocation.handler or ""
        self.begun[name] = self.begun.get(name, 0) + 1
        gate = self.gates.get(name)
        if gate is not None:
            heard({"event": "runner.start", "request_id": invocation.id, "fields": {"n": 1}})
            await gate.wait()
            return await super().invoke(invocation)
        return await super().invoke(invocation, heard=heard)


@pytest.fixture
def handlers():
    return Scripted()


class Deployed:
    """A project with an environment ``dev`` that serves a snapshot."""

    def __init__(self, client, snapshot):
        self.client = client
        self.snapshot = snapshot
        self.plane = client.plane
        self.invocations = f"{client.api}/environments/dev/invocations"
        self.executions = f"{client.api}/executions"

    async def ask(self, method, url, *, headers=None, **wanted):
        return await self.plane.ask(method, url, self.client.token, headers=headers, **wanted)

    async def json(self, method, url, *, status=200, **wanted):
        return await self.plane.json(method, url, self.client.token, status=status, **wanted)

    async def post(self, handler="add", event=None, *, key=None, status=None, **more):
        """Invoke a tool; return the answer and its body."""
        wanted = {"kind": "tool", "handler": handler, "event": {"a": 1} if event is None else event, **more}
        headers = {} if key is None else {"idempotency-key": key}
        answered = await self.ask("POST", self.invocations, headers=headers, json=wanted)
        body = msgspec.json.decode(answered.body)
        if status is not None:
            assert answered.status == status, body
        return answered, body

    async def get(self, id):
        return await self.json("GET", f"{self.executions}/{id}")

    async def ended(self, id):
        """Wait until an execution has ended, and return it."""
        live = self.plane.assembly.executions.live(self.client.made.project.id, id)
        if live is not None:
            while not live.has_ended:
                await live.changed(10**9)
        return await self.get(id)


async def deploy(client, text=ENTRY):
    """Put a snapshot into ``dev``."""
    files = await client.files()
    version = files["entry_point.py"]["version"] if files else 0
    snapshot = (await client.put("entry_point.py", text, version))["snapshot"]
    await client.plane.json("POST", f"{client.api}/deployments", client.token, json={"environment": "dev"}, status=201)
    return snapshot


@pytest.fixture
def run_deployed(home, run_plane, handlers, make_client):
    """Runs a plane with this configuration, and something deployed: ``async with run_deployed(config) as deployed``."""

    @asynccontextmanager
    async def run(config=""):
        async with run_plane(home, config, ("snapshots",), handlers) as plane:
            client = make_client(plane, await plane.tenant())
            yield Deployed(client, await deploy(client))

    return run


@pytest.fixture
async def plane(home, run_plane, handlers):
    async with run_plane(home, "", ("snapshots",), handlers) as made:
        yield made


@pytest.fixture
async def deployed(client):
    return Deployed(client, await deploy(client))
