"""Every driver keeps what stores promise; a server that does not is refused."""

from __future__ import annotations

import obstore
import pytest
import trio
from google_bucket import GoogleBucket
from obstore.store import MemoryStore

from aexl.api import Upstream
from aexl.core.http.transport import make_transport
from aexl.errors import Invalid, NotFound, Unavailable
from aexl.testing.blobs import BlobStoreConformance, FakeStore
from aexl.testing.plane import PlaneRoutes, loopback
from aexl.testing.s3 import StrictS3
from aexl_snapshots.disk.directory import Directory
from aexl_snapshots.stores.buckets import BucketStore, make_bucket
from aexl_snapshots.stores.folder import FolderStore, folder_of, open_folder
from aexl_snapshots.stores.opening import normal_url, open_store, own_openers
from aexl_snapshots.stores.plane import PlaneStore, check_plane_url
from aexl_snapshots.stores.probe import probe


class TestFolder(BlobStoreConformance):
    @pytest.fixture
    def open_store(self, tmp_path):
        async def open_it():
            return FolderStore(Directory(tmp_path / "store"))

        return open_it


class TestStrictS3(BlobStoreConformance):
    @pytest.fixture
    def open_store(self, monkeypatch):
        with StrictS3() as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)

            async def open_it():
                return make_bucket(server.url())

            yield open_it
        assert server.refused == []


class TestBusyS3(BlobStoreConformance):
    """One request in ten is refused for the moment."""

    @pytest.fixture
    def open_store(self, monkeypatch):
        with StrictS3(seed=5, faults=0.1, kinds=("503", "500", "409")) as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)

            async def open_it():
                return make_bucket(server.url())

            yield open_it


@pytest.mark.long
class TestMoto(BlobStoreConformance):
    """A second opinion on what S3 does; ``test_many_pushers`` asks it in every run."""

    @pytest.fixture
    def open_store(self, moto_url):
        async def open_it():
            return make_bucket(moto_url)

        return open_it


class TestGoogle(BlobStoreConformance):
    @pytest.fixture
    def open_store(self, monkeypatch):
        with GoogleBucket() as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)

            async def open_it():
                return make_bucket(server.url)

            yield open_it
        assert server.refused == []


class TestAzure(BlobStoreConformance):
    """Microsoft's own emulator, where it is installed."""

    @pytest.fixture
    def open_store(self, azure_url):
        async def open_it():
            return make_bucket(azure_url)

        return open_it


class TestPlane(BlobStoreConformance):
    @pytest.fixture
    async def open_store(self):
        store = FakeStore()
        transport = make_transport(Upstream(private=True))
        async with loopback(PlaneRoutes(store, token="secret")) as url:

            async def open_it():
                return PlaneStore(transport, f"{url}/store", "secret")

            yield open_it
            await transport.aclose()


async def test_a_server_that_ignores_preconditions_is_refused(monkeypatch):
    with StrictS3(holds_conditions=False) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(Unavailable, match="If-None-Match"):
            await own_openers(None)["s3"](server.url())
        assert server.objects == {}


async def test_a_server_that_ignores_versions_only_is_refused():
    class Forgetful(FakeStore):
        async def put_if_match(self, name, data, *, version):
            return await super().put_if_match(name, data, version=(await self.get_versioned(name))[1])

    with pytest.raises(Unavailable, match="If-Match"):
        await probe(Forgetful(), "memory")


async def test_a_sound_store_passes_the_probe_and_keeps_nothing_of_it(tmp_path):
    store = await open_folder((tmp_path / "s").as_uri())
    await probe(store, "here")

    assert list(await store.list("")) == []


async def test_wrong_keys_are_refused_and_said(monkeypatch):
    with StrictS3() as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
        with pytest.raises(Unavailable, match="403"):
            await own_openers(None)["s3"](server.url())
        assert server.refused


async def test_a_plane_that_refuses_the_token_is_said():
    transport = make_transport(Upstream(private=True))
    async with loopback(PlaneRoutes(FakeStore(), token="secret")) as url:
        with pytest.raises(Unavailable, match="refuses the token"):
            await PlaneStore(transport, f"{url}/store", "wrong").get("heads/main")
        await transport.aclose()


async def test_a_server_that_keeps_no_store_at_a_path_is_told_with_where_one_is(fake_host):
    fake_host.upstream = transport = make_transport(Upstream(private=True))
    async with loopback(PlaneRoutes(FakeStore())) as url:
        with pytest.raises(
            NotFound, match=f"no store at {url}/elsewhere; a project's is at .*/store/WORKSPACE/PROJECT"
        ):
            await own_openers(fake_host)["http"](f"{url}/elsewhere")
        await transport.aclose()


@pytest.mark.parametrize(
    ("url", "name"), [("s3://b/x", "AWS_ACCESS_KEY_ID"), ("gs://b/x", "GOOGLE_APPLICATION_CREDENTIALS")]
)
async def test_who_has_no_credentials_for_a_bucket_is_told_which_are_looked_for(url, name, monkeypatch):
    def ask(*_arguments, **_options):
        raise OSError("Error performing PUT http://169.254.169.254/latest/api/token in 1ms")

    monkeypatch.setattr(obstore, "list", ask)
    with pytest.raises(Unavailable, match=f"no credentials were found; set {name}"):
        await BucketStore(MemoryStore(), url).list("")


async def test_a_busy_plane_is_asked_again():
    busy = iter([503, 0, 429, None, None])
    routes = PlaneRoutes(FakeStore(), fault=lambda _method, _path: next(busy))
    transport = make_transport(Upstream(private=True))
    async with loopback(routes) as url:
        store = PlaneStore(transport, f"{url}/store", None)
        assert await store.put_if_absent("packs/a", b"x") is True
        assert await store.get("packs/a") == b"x"
        await transport.aclose()
    assert len(routes.requests) == 5


async def test_a_swap_whose_answer_was_lost_is_not_sent_twice():
    routes = PlaneRoutes(FakeStore(), fault=lambda method, _path: -1 if method == "PUT" else None)
    transport = make_transport(Upstream(private=True))
    async with loopback(routes) as url:
        store = PlaneStore(transport, f"{url}/store", None)
        with pytest.raises(Unavailable):
            await store.put_if_match("heads/main", b"x", version=None)
        assert await store.get("heads/main") == b"x"
        await transport.aclose()
    assert routes.requests == ["PUT /store/blobs/heads/main", "GET /store/blobs/heads/main"]


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "https://u:p@example.com/x", "https://", "ftp://x/y", "https://x/y?z=1"]
)
def test_a_plane_url_that_leaks_or_leads_nowhere_is_refused(url):
    with pytest.raises(Invalid):
        check_plane_url(url)


@pytest.mark.parametrize("url", ["file://elsewhere/x", "file:///x?y", "file:relative"])
def test_a_file_url_of_no_folder_is_refused(url):
    with pytest.raises(Invalid):
        folder_of(url)


def test_a_path_becomes_a_url_and_back(tmp_path):
    assert folder_of(normal_url("a b/ü#1", tmp_path)) == tmp_path / "a b" / "ü#1"
    assert normal_url("s3://bucket/x", tmp_path) == "s3://bucket/x"
    with pytest.raises(Invalid, match="password"):
        normal_url("s3://me:secret@bucket/x", tmp_path)


@pytest.mark.parametrize("url", ["s3://", "s3://bucket/x?foo=1", "gs://bucket/x?region=1", "s3://bucket/x#y"])
def test_a_bucket_url_that_cannot_be_used_is_refused(url):
    with pytest.raises(Invalid):
        make_bucket(url)


async def test_a_bucket_that_does_not_exist_is_told(moto_url):
    with pytest.raises(NotFound, match="there is no such bucket; make it first"):
        await make_bucket(moto_url.replace("//", "//no-", 1)).put_if_absent("heads/main", b"x")


async def test_a_scheme_that_nobody_offers_is_named():
    with pytest.raises(Invalid, match="ftp://; known are az, file, gs"):
        await open_store(own_openers(None), "ftp://x/y")


async def test_a_cut_off_file_of_a_folder_is_never_seen(tmp_path):
    directory = Directory(tmp_path)
    path, _ = directory.start_file()
    path.write_bytes(b"half")
    store = FolderStore(directory)

    assert list(await store.list("")) == []
    with pytest.raises(NotFound):
        await store.get(f"packs/{path.name}")
    assert await trio.to_thread.run_sync(directory.clean) == 1
