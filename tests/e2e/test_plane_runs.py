"""Handlers of a project on a server, as clients elsewhere use them: invoked, followed, paid for, killed, spoken to by MCP."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import threading
import time
from contextlib import suppress
from urllib.parse import quote

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from program import Program

pytestmark = pytest.mark.slow

ENTRY = """
import time

from aexl.sdk import http, mcp_server, tool


@tool("slow", description="Take a while")
def slow(ctx, seconds: float) -> dict:
    ctx.log("slow.begun")
    time.sleep(seconds)
    ctx.log("slow.over", seconds=seconds)
    return {"slept": seconds}


@tool("ask")
def ask(ctx, question: str) -> dict:
    answer = ctx.model("gpt.plain", question, max_tokens=20)
    return {"text": answer.text, "cost": answer.cost_usd}


@tool("slugify", description="Make a slug")
def slugify(ctx, title: str) -> dict:
    return {"slug": "-".join(title.lower().split()), "who": [ctx.tenant_id, ctx.user_id]}


@http.get("/orders/{id}")
def order(ctx, request, id):
    return {"id": id, "headers": sorted(request["headers"]), "query": request["query"]}


@http.post("/orders")
def make(ctx, order):
    return {"http_status": 201, "body": {"made": order}, "headers": {"Location": "/orders/1", "Set-Cookie": "a=1"}}


@http.get("/broken")
def broken(ctx, request):
    raise LookupError("no such thing")


mcp_server("shop", tools=["slugify", "slow"])
"""


class Site:
    """A project on a running server, with something deployed to ``dev``."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.token = program.json("auth", "bootstrap")["token"]
        self.api = "/api/v1/workspaces/main/projects/demo"
        self.executions = f"{self.api}/executions"

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.program.url, headers={"authorization": f"Bearer {self.token}", **headers}, timeout=30
        )

    def deploy(self, text: str = ENTRY) -> None:
        data = text.encode()
        wire = "/v1/workspaces/main/projects/demo"
        with self.client() as client:
            files = client.get(f"{wire}/files").json()["files"]
            wanted = {
                "content_type": "text/plain",
                "expected_version": files[0]["version"] if files else 0,
                "size_bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            signed = client.post(f"{wire}/uploads:sign?path={quote('entry_point.py')}", json=wanted).json()
            httpx.put(signed["signed_url"], content=data, headers={"content-type": "text/plain"}).raise_for_status()
            client.post(f"/v1/uploads/{signed['upload_id']}:commit", json={}).raise_for_status()
            made = client.post(f"{self.api}/deployments", json={"environment": "dev"})
            assert made.status_code == 201, made.text

    def invoke(self, handler: str, key: str | None = None, **more: object) -> httpx.Response:
        wanted = {"kind": "tool", "handler": handler, **more}
        with self.client(**({} if key is None else {"idempotency-key": key})) as client:
            return client.post(f"{self.api}/environments/dev/invocations", json=wanted)

    def get(self, id: str) -> dict:
        with self.client() as client:
            return client.get(f"{self.executions}/{id}").raise_for_status().json()

    def wait(self, id: str, *statuses: str) -> dict:
        end = time.monotonic() + 30
        while (found := self.get(id))["status"] not in statuses:
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found


@pytest.fixture
def site(program: Program) -> Site:
    """A project with its handlers deployed."""
    program.configure('[plane.agents]\n"default/main/demo" = "alice"\n')
    program.start()
    program.agent("alice")
    program.agent("bob")
    made = Site(program)
    made.deploy()
    return made


def test_handlers_are_invoked_and_answer_the_web(site):
    first = site.invoke("slugify", event={"title": "A B"}, key="k").json()
    again = site.invoke("slugify", event={"title": "A B"}, key="k")
    assert first["result"]["slug"] == "a-b"
    assert all(first["result"]["who"])
    assert (again.json(), again.headers["x-aexl-replayed"]) == (first, "true")
    with site.client() as client:
        app = "/apps/main/demo/dev"
        got = client.get(f"{app}/orders/a%2Fb?x=1", headers={"x-api-token": site.token, "cookie": "s=1"})
        assert got.json()["id"] == "a/b"
        assert not {"authorization", "x-api-token", "cookie"} & set(got.json()["headers"])
        made = client.post(f"{app}/orders", json={"n": 1})
        assert (made.status_code, made.json(), made.headers["location"]) == (201, {"made": {"n": 1}}, "/orders/1")
        assert "set-cookie" not in made.headers
        head = client.head(f"{app}/orders/1")
        assert (head.status_code, head.content) == (200, b"")
        assert client.get(f"{app}/broken").status_code == 500
        assert client.put(f"{app}/orders").status_code == 405
        assert client.get(f"{app}/orders/1", headers={"origin": "https://evil.example"}).status_code == 403
    assert httpx.get(f"{site.program.url}/apps/main/demo/dev/orders/1").status_code == 401


def test_what_a_handler_asks_of_a_model_is_paid_by_the_agent_that_the_owner_named(site):
    body = site.invoke("ask", event={"question": "hello"}).json()
    assert body["status"] == "ok", body
    assert float(body["cost_usd"]) > 0
    assert body["cost_usd"] == body["result"]["cost"]
    assert site.get(body["id"])["cost_usd"] == body["cost_usd"]
    assert site.get(site.invoke("slugify", event={"title": "x"}).json()["id"])["cost_usd"] == "0.00"
    assert site.program.inspect("alice")["spent"] != site.program.inspect("bob")["spent"]


def test_a_log_comes_while_its_handler_runs(site):
    queued = site.invoke("slow", event={"seconds": 1.0}, mode="async")
    assert queued.status_code == 202
    made, seen, begun = queued.json()["id"], [], 0.0
    with site.client() as client, client.stream("GET", f"{site.executions}/{made}/logs?follow=true") as stream:
        for line in stream.iter_lines():
            if "slow.begun" in line:
                begun = time.monotonic()
                assert site.get(made)["status"] == "running"
            if line.startswith("event: "):
                seen.append(line.removeprefix("event: "))
        waited = time.monotonic() - begun
        page = client.get(f"{site.executions}/{made}/logs").json()
    assert waited > 0.5
    assert seen[-1] == "end"
    assert set(seen[:-1]) == {"log"}
    assert len(page["records"]) == len(seen) - 1
    assert [each["event"] for each in page["records"] if "slow" in each["event"]] == ["slow.begun", "slow.over"]
    assert site.get(made)["result"] == {"slept": 1.0}


def test_a_cancelled_handler_has_ended(site):
    made = site.invoke("slow", event={"seconds": 60}, mode="async", timeout_seconds=90).json()["id"]
    site.wait(made, "running")
    with site.client() as client:
        begun = time.monotonic()
        cancelled = client.post(f"{site.executions}/{made}:cancel").json()
    assert cancelled["status"] == "cancelled"
    assert time.monotonic() - begun < 20
    assert site.invoke("slugify", event={"title": "x"}).json()["status"] == "ok"


def test_after_a_kill_what_ran_is_lost_and_what_waited_runs_once(site):
    program = site.program
    text = (program.home / "aexl.toml").read_text()
    (program.home / "aexl.toml").write_text(f"{text}\n[plane]\nasync_running = 1\n")
    program.stop(signal.SIGTERM)
    program.start()
    done = site.invoke("slugify", event={"title": "x"}, key="done").json()
    running = site.invoke("slow", event={"seconds": 60}, mode="async", key="r", timeout_seconds=90).json()["id"]
    queued = [site.invoke("slow", event={"seconds": 0}, mode="async").json()["id"] for _ in range(3)]
    waiting = threading.Thread(target=lambda: _swallow(lambda: site.invoke("slow", event={"seconds": 60}, key="sync")))
    waiting.start()
    site.wait(running, "running")
    with site.client() as client:
        while not (found := client.get(f"{site.executions}?status=running").json()["executions"]) or len(found) < 2:
            time.sleep(0.02)
    program.stop(signal.SIGKILL)
    waiting.join()
    program.start()

    assert {site.wait(each, "ok", "failed", "lost")["status"] for each in queued} == {"ok"}
    lost = site.get(running)
    assert (lost["status"], lost["error"]["code"]) == ("lost", "LOST")
    assert site.invoke("slow", event={"seconds": 60}, key="sync").json()["status"] == "lost"
    assert site.invoke("slugify", event={"title": "x"}, key="done").json() == done
    with site.client() as client:
        listed = client.get(site.executions).json()["executions"]
    assert sorted(each["status"] for each in listed) == ["lost", "lost", "ok", "ok", "ok", "ok"]
    assert program.run("ledger", "verify").returncode == 0


def _swallow(work):
    with suppress(httpx.HTTPError):  # the server was killed under it
        work()


async def speak_mcp(site):
    headers = {"authorization": f"Bearer {site.token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        url = f"{site.program.url}/mcp/main/demo/dev/shop"
        async with Client(streamable_http_client(url, http_client=http)) as client:
            listed = await client.list_tools()
            assert sorted(tool.name for tool in listed.tools) == ["slow", "slugify"]
            called = await client.call_tool("slugify", {"title": "M C P"})
            assert called.structured_content["slug"] == "m-c-p"
            failed = await client.call_tool("slow", {"seconds": "no number"})
            assert failed.is_error
            together = await asyncio.gather(*[client.call_tool("slugify", {"title": f"n {n}"}) for n in range(5)])
            assert [each.structured_content["slug"] for each in together] == [f"n-{n}" for n in range(5)]


def test_the_official_mcp_client_uses_a_server_of_a_deployment(site):
    asyncio.run(speak_mcp(site))
    with site.client() as client:
        url = "/mcp/main/demo/dev/shop"
        assert client.get(url).status_code == 405
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        evil = client.post(url, json=message, headers={"origin": "https://evil.example"})
        assert evil.status_code == 403
        executions = client.get(site.executions).json()["executions"]
    assert {each["kind"] for each in executions} == {"mcp"}
    assert len(executions) == 7
