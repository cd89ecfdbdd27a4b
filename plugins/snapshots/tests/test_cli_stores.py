"""Buckets, and places that other plugins know, by the commands; also with the executable, where one was made."""

from __future__ import annotations

from pathlib import Path

import pytest
from google_bucket import GoogleBucket
from project import AEXL, Project

from aexl.testing.s3 import BUCKET, REGION, StrictS3

FROZEN = Path(__file__).resolve().parents[3] / "dist" / "out" / "aexl"

pytestmark = pytest.mark.slow


@pytest.fixture(params=["installed", pytest.param("executable", marks=pytest.mark.dist)])
def project(request, tmp_path):
    if request.param == "executable" and not FROZEN.exists():
        pytest.skip("there is no executable; make dist makes one")
    made = Project(tmp_path / "project", tmp_path / "home", AEXL if request.param == "installed" else FROZEN)
    made.write(src__app_dot_py="print('one')\n", README_dot_md="read me\n")
    (made.folder / "data.bin").write_bytes(bytes(range(256)) * 5000)
    return made


# `dist/verify.py` goes through a bucket with the executable, too.
also_frozen = pytest.mark.parametrize(
    "project", ["installed", pytest.param("executable", marks=[pytest.mark.dist, pytest.mark.long])], indirect=True
)


def show_it(project, url, clone):
    """Do what a person does first, with a bucket."""
    project.run("init")
    project.run("add", ".")
    project.run("commit", "-m", "one")
    first = project.read()
    project.write(src__app_dot_py="print('two')\n")
    assert "-print('one')\n+print('two')\n" in project.run("diff").stdout
    project.run("commit", "-a", "-m", "two")
    assert [each["message"] for each in project.json("log")] == ["two", "one"]
    project.run("restore", "main~1")
    assert project.read() == first
    project.run("restore", "main")
    project.run("remote", "add", "origin", url)
    project.run("push")
    assert "up to date" in project.run("push").stdout
    project.run("clone", url, str(clone))
    other = Project(clone, project.home, project.program)
    assert other.read() == project.read()
    assert other.json("log") == project.json("log")
    assert other.json("status")["clean"] is True
    other.write(new="from the clone\n")
    other.run("add", "new")
    other.run("commit", "-m", "three")
    other.run("push")
    assert "Moved on" in project.run("pull").stdout
    assert project.read() == other.read()
    assert "Sound" in project.run("check", "origin", "--read-data").stdout


def test_a_server_that_the_environment_names_is_asked_without_encryption_where_it_says_so(project, tmp_path):
    with StrictS3() as server:
        environment = {**server.environment, "AWS_ENDPOINT_URL": server.endpoint, "AWS_REGION": REGION}
        project.run("init")
        project.run("add", ".")
        project.run("commit", "-m", "one")
        project.run("remote", "add", "origin", f"s3://{BUCKET}/app", **environment)
        project.run("push", **environment)
        project.run("clone", f"s3://{BUCKET}/app", str(tmp_path / "clone"), **environment)
    assert Project(tmp_path / "clone", project.home).read() == project.read()


@also_frozen
@pytest.mark.parametrize("faults", [pytest.param(0.0, marks=pytest.mark.long), 0.15])
def test_a_project_goes_through_a_strict_bucket(project, tmp_path, monkeypatch, faults):
    with StrictS3(seed=7, faults=faults) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        show_it(project, server.url(), tmp_path / "clone")
        assert server.refused == []
        assert any(key.startswith("store/packs/") for key in server.objects)


@also_frozen
def test_a_project_goes_through_moto(project, tmp_path, moto_url):
    show_it(project, moto_url, tmp_path / "clone")


def test_a_project_goes_through_azures_emulator(project, tmp_path, azure_url):
    show_it(project, azure_url, tmp_path / "clone")


@also_frozen
def test_a_project_goes_through_a_bucket_that_counts_generations(project, tmp_path, monkeypatch):
    with GoogleBucket() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        show_it(project, server.url, tmp_path / "clone")
        assert server.refused == []


def test_a_bucket_that_ignores_conditions_is_refused_when_it_is_added(project, monkeypatch):
    project.run("init")
    with StrictS3(holds_conditions=False) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert "If-" in project.run("remote", "add", "origin", server.url(), code=6).stderr
    assert project.json("remote", "list") == []


SHELF = """
import pickle
from pathlib import Path

from aexl.hookspecs import Plugin, hookimpl
from aexl.testing.blobs import FakeStore


class Shelf(FakeStore):
    def __init__(self, path):
        super().__init__()
        self._path = path
        self.blobs = pickle.loads(path.read_bytes()) if path.exists() else {}

    async def _kept(self, answer):
        try:
            return await answer
        finally:
            self._path.write_bytes(pickle.dumps(self.blobs))

    async def put_if_absent(self, name, data):
        return await self._kept(super().put_if_absent(name, data))

    async def put_if_match(self, name, data, *, version):
        return await self._kept(super().put_if_match(name, data, version=version))

    async def delete(self, name):
        await self._kept(super().delete(name))


async def open_shelf(url):
    return Shelf(Path(url.removeprefix("shelf://")))


class ShelfPlugin(Plugin):
    @hookimpl
    def aexl_snapshot_stores(self, host):
        return {"shelf": open_shelf}
"""


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A stranger's plugin in the environment, and a URL that it knows."""
    folder = tmp_path / "packages"
    info = folder / "strange_shelf-1.dist-info"
    info.mkdir(parents=True)
    (folder / "strange_shelf.py").write_text(SHELF)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-shelf\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[aexl.plugins]\nshelf = strange_shelf:ShelfPlugin\n")
    return {"url": f"shelf://{tmp_path / 'shelf'}", "PYTHONPATH": str(folder)}


@pytest.mark.parametrize("beside", ["no server", "a server"])
def test_a_strangers_kind_of_store_is_reached(tmp_path, shelf, beside):
    url, packages = shelf["url"], {"PYTHONPATH": shelf["PYTHONPATH"]}
    project = Project(tmp_path / "project", tmp_path / "home")
    project.write(a="1")
    for words in (("init",), ("add", "."), ("commit", "-m", "one")):
        project.run(*words)
    if beside == "a server":
        project.aexl("daemon", "start", "--port", "0", **packages)
    try:
        project.run("remote", "add", "origin", url, **packages)
        project.run("push", **packages)
        project.run("clone", url, str(tmp_path / "clone"), **packages)
    finally:
        if beside == "a server":
            project.aexl("daemon", "stop", **packages)
    assert Project(tmp_path / "clone", project.home).read() == project.read()
    assert "no plugin keeps snapshots at shelf://" in project.run("push", code=2).stderr
