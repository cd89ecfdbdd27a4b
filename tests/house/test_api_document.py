"""Everything of ours below /api/v1 is in the OpenAPI document, with what it takes and gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aexl.core import openapi
from aexl.core.host import LocalHost
from aexl.core.plugins import installed_sources
from aexl.core.surroundings import Surroundings
from aexl.testing.host import FakeHost
from aexl_plane.assembly import Assembly

PREFIX = "/api/v1/"
ROUTES = [route for route in Assembly(FakeHost(Path("/nowhere"))).routes().all if route.path.startswith(PREFIX)]


@pytest.fixture
def host(home):
    sources = [source for source in installed_sources() if source.origin == "aexl"]
    return LocalHost(Surroundings(home, environ={}, sources=sources))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_says_what_it_is_for_and_what_it_gives(route):
    assert route.summary
    assert not route.summary.endswith(".")
    assert route.gives is not None or route.kind or route.status == 204
    assert route.takes is not None or route.method in ("GET", "DELETE") or ":" in route.path


def test_every_mount_below_the_prefix_describes_what_is_below_it(host):
    mounts = [(plugin, mount) for plugin, mount in host.described_mounts() if mount.path.startswith(PREFIX)]
    assert len(mounts) > 8
    parts = openapi.gather(mounts)
    paths = openapi.document("1", parts)["paths"]
    for plugin, mount in mounts:
        assert mount.describe is not None, f"{plugin}: {mount.path} is not in the document"
        assert any(path == mount.path or path.startswith(f"{mount.path}/") for path in paths), mount.path
    for path in paths:
        assert any(path == mount.path or path.startswith(f"{mount.path}/") for _, mount in mounts), path


def test_no_two_plugins_of_ours_use_one_name(host):
    parts = openapi.gather(host.described_mounts())
    found = openapi.document("1", parts)
    ids = [each["operationId"] for methods in found["paths"].values() for each in methods.values()]
    assert len(ids) == len(set(ids))
    assert [name for name in (*ids, *found["components"]["schemas"]) if "_" in name] == []
    assert len(ids) == sum(len(methods) for part in parts for methods in part.said.paths.values())


def test_every_reference_leads_somewhere_and_every_name_of_a_path_is_a_parameter(host):
    found = openapi.document("1", openapi.gather(host.described_mounts()))
    for reference in re.findall(r"'#/components/schemas/(\w+)'", str(found)):
        assert reference in found["components"]["schemas"]
    for path, methods in found["paths"].items():
        for each in methods.values():
            named = [parameter["name"] for parameter in each["parameters"] if parameter["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)
