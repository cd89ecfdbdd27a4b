"""What the API refuses, and in which shape; what it says of itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aexl.testing.host import FakeConfig
from aexl.testing.mount import MountConformance
from aexl_pipelines.governing.options import PipelineOptions
from aexl_pipelines.serving.endpoints import LARGEST_BODY
from aexl_pipelines.serving.mounts import PATHS, Doorstep, describe_endpoints
from aexl_pipelines.serving.table import ENDPOINTS, PREFIX


def error(answer):
    body = answer.json["error"]
    assert set(body) >= {"message", "type", "param", "code"}
    assert body["type"] == "aexl_error"
    return answer.status, body["code"]


async def test_by_default_no_folder_is_allowed(client, host, folder, texts):
    host.current = FakeConfig(PipelineOptions())
    for path in ("runs", "sessions", "pipelines/validate"):
        sent = {"folder": str(folder), "pipeline_inline": texts.plain}
        assert error(await client.post(f"/api/v1/{path}", sent)) == (403, "folder_not_allowed")
    assert error(await client.post("/api/v1/runs", {"pipeline_inline": texts.plain})) == (400, "folder_missing")
    alone = await client.post("/api/v1/pipelines/validate", {"pipeline_inline": texts.plain})
    assert alone.json == {"valid": True, "step_count": 2, "warnings": []}


@pytest.mark.parametrize("given", ["/etc", "relative", "{work}/../other", "{work}/link", "\x00", "{work}2"])
async def test_a_folder_outside_is_refused_whatever_it_is_called(client, folder, texts, given, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "work2").mkdir()
    (folder.parent / "link").symlink_to(tmp_path / "other")
    sent = {"folder": given.replace("{work}", str(folder.parent)), "pipeline_inline": texts.plain}
    refused = await client.post("/api/v1/runs", sent)
    assert error(refused) in [(403, "folder_not_allowed"), (400, "invalid")]


async def test_a_folder_that_is_not_there_is_not_found(client, folder):
    assert error(await client.post("/api/v1/runs", {"folder": str(folder / "none")})) == (404, "not_found")


async def test_no_request_reads_a_file_outside_of_the_allowed_folders(client, folder, tmp_path):
    secret = tmp_path / "secret.md"
    secret.write_text("the secret of the machine")
    (folder / "link.md").symlink_to(secret)
    (tmp_path / "outside.yaml").write_text("pipeline: [{id: a, prompt: b}]")
    for prompt in (str(secret), "./link.md", "../../secret.md"):
        sent = {"folder": str(folder), "pipeline_inline": f"pipeline:\n  - {{id: a, prompt: '{prompt}'}}\n"}
        for path in ("validate", "materialize"):
            answer = await client.post(f"/api/v1/pipelines/{path}", sent)
            assert answer.status == 422
            assert "the secret of" not in answer.text
            assert "outside of [pipelines] folders" in answer.text
    refused = await client.post(
        "/api/v1/pipelines/validate", {"folder": str(folder), "pipeline_path": str(tmp_path / "outside.yaml")}
    )
    assert error(refused) == (403, "folder_not_allowed")


async def test_a_pipeline_is_validated_with_the_place_of_every_problem(client, folder):
    text = "pipeline:\n  - {id: a, prompt: b, colour: red}\n  - {id: a, prompt: '{{ step.none.response }}'}\n"
    answer = await client.post("/api/v1/pipelines/validate", {"folder": str(folder), "pipeline_inline": text})
    assert (answer.status, answer.json["valid"]) == (422, False)
    assert [each["context"]["line"] for each in answer.json["errors"]] == [2, 3, 3]
    run = await client.post("/api/v1/runs", {"folder": str(folder), "pipeline_inline": text})
    assert error(run) == (422, "invalid_pipeline")
    assert len(run.json["error"]["problems"]) == 3


async def test_a_pipeline_is_materialized_as_yaml(client, folder):
    (folder / "base.yaml").write_text("pipeline:\n  - {id: a, prompt: one}\n")
    text = "FROM: ./base.yaml\npipeline:\n  - {run_after: a, id: b, prompt: two}\n"
    answer = await client.post("/api/v1/pipelines/materialize", {"folder": str(folder), "pipeline_inline": text})
    assert answer.header(b"content-type").startswith(b"application/yaml")
    assert "id: b" in answer.text
    assert "base.yaml:2" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"folder": 1}',
        b'{"colour": "red"}',
        b"\xff",
        b"[" * 5000,
        b'{"budget_usd": 1.5}',
        b'{"budget_usd": "-1"}',
    ],
    ids=str,
)
async def test_a_body_that_cannot_be_used_is_refused(client, body):
    assert error(await client.post("/api/v1/runs", body)) == (400, "invalid")


async def test_the_pipelines_of_a_folder_are_listed(client, folder, texts):
    (folder / ".aexl.yaml").write_text(texts.plain)
    [found] = (await client.get("/api/v1/pipelines", query=f"folder={folder}")).json["pipelines"]
    assert (found["name"], found["where"], found["default"]) == ("default", "project", True)
    assert error(await client.get("/api/v1/pipelines", query="folder=/etc")) == (403, "folder_not_allowed")


async def test_a_body_is_bounded(client, folder):
    small = msgspec.json.encode({"folder": str(folder / "none"), "prompt": ""})
    fits = small + b" " * (LARGEST_BODY - len(small))
    assert error(await client.post("/api/v1/runs", fits)) == (404, "not_found")
    assert error(await client.post("/api/v1/runs", fits + b" ")) == (413, "body_too_large")


async def test_paths_and_methods_that_mean_nothing_are_refused_in_the_same_shape(client):
    assert error(await client.get("/api/v1/runs/x/y/z")) == (404, "not_found")
    refused = await client("DELETE", "/api/v1/gates")
    assert error(refused) == (405, "method_not_allowed")
    assert b"GET" in refused.header(b"allow")
    assert (await client("PROPFIND", "/api/v1/runs")).status == 405
    assert (await client("HEAD", "/api/v1/runs/x/events")).status == 405


@pytest.mark.parametrize("run", ["..", "%2e%2e", "a" * 100, "none", "%00"])
async def test_no_name_of_a_run_leads_out_of_the_folder_of_runs(client, run):
    assert (await client.get(f"/api/v1/runs/{run}")).status == 404


def test_the_document_has_every_endpoint_and_its_body():
    found = describe_endpoints()
    listed = {(method.upper(), path) for path, methods in found.paths.items() for method in methods}
    assert listed == {(each.method, PREFIX + each.path) for each in ENDPOINTS}
    for each in ENDPOINTS:
        said = found.paths[PREFIX + each.path][each.method.lower()]
        assert ("requestBody" in said) == (each.body is not None)
    assert len({each.name for each in ENDPOINTS}) == len(ENDPOINTS)


def test_every_endpoint_is_on_the_page():
    page = (Path(__file__).parents[4] / "docs" / "reference" / "pipelines-http.md").read_text()
    for endpoint in ENDPOINTS:
        end = endpoint.path.removeprefix("/sessions/{key}") or "/sessions/{key}"
        assert f"{endpoint.method} {endpoint.path}" in page or f"{endpoint.method} …{end}" in page, endpoint.path


def test_every_endpoint_is_below_a_mount():
    for endpoint in ENDPOINTS:
        assert (PREFIX + endpoint.path).startswith(PATHS)


class TestTheMountsConform(MountConformance):
    """What every mount promises."""

    @pytest.fixture(autouse=True, params=PATHS)
    def _path(self, request, host):
        self._mount = next(mount for mount in Doorstep(host).mounts() if mount.path == request.param)

    def make_mount(self):
        return self._mount
