"""A plane in a host of its own, asked without sockets."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest

from aexl.api import ConnectorType, Handlers, Host, Service
from aexl.core.host import LocalHost
from aexl.core.plugins import Source, installed_sources
from aexl.core.router import Router
from aexl.core.surroundings import Surroundings
from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.connectors import SECRET, FakeConnectorType
from aexl.testing.mount import Answered, ask
from aexl_plane.assembly import Assembly
from aexl_plane.plugin import PlanePlugin
from aexl_plane.roles import Bootstrapped, Tenants


class Plane:
    """A running plane, and tenants in it."""

    def __init__(self, host: LocalHost, plugin: PlanePlugin, bell: FakeConnectorType) -> None:
        self.host = host
        self.bell = bell
        self._plugin = plugin
        self.mounts = [mount for mount in host.mounts() if "plane" in type(mount.app).__module__]
        self.router = Router(self.mounts, None)

    @property
    def assembly(self) -> Assembly:
        """What the plugin has put together."""
        made = self._plugin._assembly
        assert made is not None
        return made

    async def tenant(self, name: str = "acme") -> Bootstrapped:
        role = self.host.service(Tenants)
        assert role is not None
        return await role.bootstrap(name, f"owner@{name}.example", "main", "demo", first=False)

    async def ask(
        self,
        method: str,
        url: str,
        token: str | None = None,
        *,
        json: Any = None,
        body: bytes | list[bytes] = b"",
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """Make a request; ``url`` may be absolute."""
        parts = urlsplit(url)
        mount = self.router.find(parts.path)
        assert mount is not None, f"no mount serves {parts.path}"
        fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        if token is not None:
            fields.append((b"authorization", f"Bearer {token}".encode()))
        if json is not None:
            body = msgspec.json.encode(json)
        pieces = body if isinstance(body, list) else [body]
        return await ask(mount, parts.path, method=method, query=parts.query, headers=fields, body=pieces)

    async def json(
        self, method: str, url: str, token: str | None = None, *, json: Any = None, status: int = 200
    ) -> Any:
        """Make a request and return the decoded answer, which must have this status."""
        answered = await self.ask(method, url, token, json=json)
        assert answered.status == status, answered.body
        return msgspec.json.decode(answered.body)


class HandlersPlugin(Plugin):
    """Lets somebody play ``Handlers``."""

    def __init__(self, player: Handlers) -> None:
        self._player = player

    @hookimpl
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:
        return [Service(role=Handlers, instance=self._player)]


class Client:
    """One tenant's owner in one project, speaking as today's clients do."""

    def __init__(self, plane: Plane, made: Bootstrapped, token: str | None = None) -> None:
        self.plane = plane
        self.made = made
        self.token = token or made.token
        self.base = f"/v1/workspaces/{made.workspace.id}/projects/{made.project.id}"
        self.api = f"/api{self.base}"

    async def sign(self, path: str, data: bytes, expected: int = 0, *, status: int = 200, **more: Any) -> Any:
        wanted = {
            "content_type": "text/plain; charset=utf-8",
            "expected_version": expected,
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            **more,
        }
        return await self.plane.json(
            "POST", f"{self.base}/uploads:sign?path={quote(path, safe='')}", self.token, json=wanted, status=status
        )

    async def send(
        self, url: str, data: bytes | list[bytes], content_type: str = "text/plain; charset=utf-8"
    ) -> Answered:
        return await self.plane.ask("PUT", url, body=data, headers={"content-type": content_type})

    async def commit(self, upload: str, *, status: int = 200) -> Any:
        return await self.plane.json("POST", f"/v1/uploads/{upload}:commit", self.token, json={}, status=status)

    async def put(self, path: str, data: bytes, expected: int = 0) -> Any:
        """Sign, send, commit."""
        signed = await self.sign(path, data, expected)
        assert (await self.send(signed["signed_url"], data)).status == 200
        return await self.commit(signed["upload_id"])

    async def files(self) -> dict[str, Any]:
        answer = await self.plane.json("GET", f"{self.base}/files", self.token)
        return {file["path"]: file for file in answer["files"]}

    async def fetch(self, path: str) -> bytes:
        url = f"{self.base}/downloads:sign?path={quote(path, safe='')}"
        signed = await self.plane.json("POST", url, self.token, json={"expires_seconds": 600})
        answered = await self.plane.ask("GET", signed["signed_url"])
        assert answered.status == 200
        return answered.body

    async def delete(self, path: str, *, status: int = 200) -> Any:
        return await self.plane.json("DELETE", f"{self.base}/files/{quote(path)}", self.token, status=status)


BELL = """
[integrations.tower]
provider = "bell"
tenants = ["*"]
credential = "BELL_SECRET"
"""
"""What the server's owner writes, so that projects may ring."""


class BellPlugin(Plugin):
    """Offers the bell of ``aexl.testing``."""

    def __init__(self) -> None:
        self.bell = FakeConnectorType()

    @hookimpl
    def aexl_connectors(self, host: Host) -> Sequence[ConnectorType]:
        return [self.bell]


@asynccontextmanager
async def running_plane(
    home: Path,
    config: str = "",
    others: Sequence[str] = ("snapshots",),
    handlers: Handlers | None = None,
    more: Sequence[Plugin] = (),
) -> AsyncIterator[Plane]:
    """Run the plane with the plugins that it meets, in a home; who plays ``Handlers`` may be given."""
    (home / "aexl.toml").write_text(config + BELL)
    (home / ".env").write_text(f"BELL_SECRET={SECRET}\n")
    (home / ".env").chmod(0o600)
    plugin, bell = PlanePlugin(), BellPlugin()
    beside = [source for source in installed_sources() if source.name in others]
    sources = [*beside, Source("bell", "tests", "1", bell), Source("plane", "tests", "1", plugin)]
    if handlers is not None:
        sources.append(Source("handlers", "tests", "1", HandlersPlugin(handlers)))
    sources += [Source(f"more{number}", "tests", "1", each) for number, each in enumerate(more)]
    host = LocalHost(Surroundings(home, environ={}, sources=sources))
    async with host.running():
        yield Plane(host, plugin, bell.bell)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
async def plane(home: Path) -> AsyncIterator[Plane]:
    """A running plane."""
    async with running_plane(home) as made:
        yield made


@pytest.fixture
async def client(plane: Plane) -> Client:
    """The owner of a tenant, in its first project."""
    return Client(plane, await plane.tenant())


@pytest.fixture
def run_plane() -> Callable[..., Any]:
    """Runs a plane in a home: ``async with run_plane(home, config) as plane``."""
    return running_plane


@pytest.fixture
def make_client() -> type[Client]:
    """Makes a client of a plane and a tenant."""
    return Client
