"""The API without a socket: a station on a host that holds still, and a client for its mounts."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from aexl.testing.factories import make_principal
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.mount import ask
from aexl_pipelines.governing.options import PipelineOptions
from aexl_pipelines.runners.table import runners
from aexl_pipelines.serving.mounts import Doorstep

PLAIN = """
version: "1"
defaults: {runner: stub}
pipeline:
  - {id: first, prompt: "Do {{ step.invocation.prompt }}"}
  - {id: tests, context: {shell: "echo fine"}}
"""

GATED = """
version: "1"
defaults: {runner: stub}
pipeline:
  - {id: first, prompt: "One"}
  - {id: review, action: pause_for_human, message: "Go on?"}
  - {id: last, prompt: "Two"}
"""

SLOW = """
version: "1"
pipeline:
  - {id: long, context: {shell: "sleep 60"}}
"""


class Client:
    """Asks as an agent; answers have ``json``."""

    def __init__(self, mounts, **principal):
        self._mounts = {mount.path: mount for mount in mounts}
        self._principal = make_principal(**principal)

    async def __call__(self, method, path, body=None, **options):
        mount = self._mounts["/".join(path.split("/")[:4])]
        data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = await ask(mount, path, method=method, body=(data,), principal=self._principal, **options)
        kind = answer.header(b"content-type") or b""
        json = msgspec.json.decode(answer.body) if kind.startswith(b"application/json") else None
        return SimpleNamespace(status=answer.status, json=json, text=answer.body.decode(), header=answer.header)

    async def get(self, path, **options):
        return await self("GET", path, **options)

    async def post(self, path, body=None, **options):
        return await self("POST", path, {} if body is None else body, **options)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "work" / "project"
    made.mkdir(parents=True)
    (made / ".git").mkdir()
    return made


@pytest.fixture
def host(tmp_path, folder):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    made = FakeHost(home, config=FakeConfig(PipelineOptions(folders=(str(folder.parent),))))
    made.offered_runners = {runner.name: runner for runner in runners()}
    return made


@pytest.fixture
async def doorstep(host):
    made = Doorstep(host)
    async with made.lifespan():
        yield made


@pytest.fixture
def station(doorstep):
    return doorstep.station


@pytest.fixture
def client_of(doorstep):
    def make(agent="alice", scope="execute", *, at=doorstep, **principal):
        return Client(at.mounts(), agent=agent, scope=scope, **principal)

    return make


@pytest.fixture
def client(client_of):
    return client_of()


@pytest.fixture
def texts():
    return SimpleNamespace(plain=PLAIN, gated=GATED, slow=SLOW)
