"""Show 8: the same exchanges directly and through aexl; every difference stands in docs/reference/wire.md."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "wire.md").read_text()
CHAT, RESPONSES, MESSAGES = b"/v1/chat/completions", b"/v1/responses", b"/v1/messages"
TOOL = b'"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]'
TALK = b'"messages":[{"role":"user","content":"Hi"}]'

EXCHANGES = {
    "chat": (CHAT, b'{"model":"gpt.plain",' + TALK + b"}"),
    "chat-spaced": (CHAT, b'{ "model" : "gpt.plain" ,\n ' + TALK + b' , "temperature" : 1.50 }'),
    "chat-stream": (CHAT, b'{"model":"gpt.plain","stream":true,' + TALK + b"}"),
    "chat-stream-usage": (
        CHAT,
        b'{"model":"gpt.plain","stream":true,"stream_options":{"include_usage":true},' + TALK + b"}",
    ),
    "chat-tools": (CHAT, b'{"model":"gpt.plain",' + TOOL + b"," + TALK + b"}"),
    "chat-tools-stream": (CHAT, b'{"model":"gpt.plain","stream":true,' + TOOL + b"," + TALK + b"}"),
    "chat-no-usage": (CHAT, b'{"model":"gpt.no-usage",' + TALK + b"}"),
    "unknown-parameters": (CHAT, b'{"model":"gpt.plain","x_new":{"deep":[1,2.50,1e3,"\\u00e9"]},' + TALK + b"}"),
    "equal-keys": (CHAT, b'{"model":"gpt.plain","seed":1,"seed":2,' + TALK + b"}"),
    "unicode": (CHAT, '{"model":"gpt.plain","messages":[{"role":"user","content":"Grüße 🎉"}]}'.encode()),
    "bad-json": (CHAT, b'{"model":"gpt.plain",'),
    "status-400": (CHAT, b'{"model":"gpt.status-400",' + TALK + b"}"),
    "status-429": (CHAT, b'{"model":"gpt.status-429",' + TALK + b"}"),
    "status-500": (CHAT, b'{"model":"gpt.status-500",' + TALK + b"}"),
    "status-429-stream": (CHAT, b'{"model":"gpt.status-429","stream":true,' + TALK + b"}"),
    "cut-stream": (CHAT, b'{"model":"gpt.cut","stream":true,' + TALK + b"}"),
    "client-leaves": (CHAT, b'{"model":"gpt.paced","stream":true,' + TALK + b"}"),
    "responses": (RESPONSES, b'{"model":"gpt.plain","input":"Hi"}'),
    "responses-stream": (RESPONSES, b'{"model":"gpt.plain","input":"Hi","stream":true}'),
    "messages": (MESSAGES, b'{"model":"claude.plain","max_tokens":9,' + TALK + b"}"),
    "messages-stream": (MESSAGES, b'{"model":"claude.plain","max_tokens":9,"stream":true,' + TALK + b"}"),
    "messages-cut": (MESSAGES, b'{"model":"claude.cut","max_tokens":9,"stream":true,' + TALK + b"}"),
}


class Wire(NamedTuple):
    """One answer as it came over the wire."""

    status: bytes
    headers: dict[str, str]
    body: bytes
    complete: bool


def exchange(url: str, path: bytes, body: bytes, token: str, *, leave: bool = False) -> Wire:
    """Send a request by hand and read everything that comes back."""
    address = urlsplit(url)
    head = (
        b"POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        b"X-Own: kept\r\nOpenAI-Organization: org-1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    ) % (path, address.netloc.encode(), token.encode(), len(body))
    data = b""
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head + body)
        try:
            while piece := connection.recv(65536):
                data += piece
                if leave and b"data:" in data:
                    break
        except ConnectionResetError:
            pass
    start, _, rest = data.partition(b"\r\n\r\n")
    status, *lines = start.split(b"\r\n")
    headers = {name.decode().lower(): value.decode() for name, value in (line.split(b": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        return Wire(status.split()[1], headers, *dechunk(rest))
    return Wire(status.split()[1], headers, rest, len(rest) == int(headers.get("content-length", len(rest))))


def dechunk(data: bytes) -> tuple[bytes, bool]:
    """Return the body of a chunked message, and whether it ended as it must."""
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return body, True
        body, data = body + rest[:length], rest[length + 2 :]
    return body, False


def documented(kind: str) -> set[str]:
    """Return the names that a table of the page lists."""
    section = PAGE.split(f"## {kind}")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))


def differences(direct: dict[str, str], through: dict[str, str]) -> set[str]:
    return {name for name in direct.keys() | through.keys() if direct.get(name) != through.get(name)}


def test_there_are_twenty_exchanges_and_more():
    assert len(EXCHANGES) >= 20


@pytest.fixture
def served(shared):
    return shared.visit()


@pytest.mark.parametrize("name", EXCHANGES)
def test_only_documented_differences_exist(served, name):
    path, body = EXCHANGES[name]
    leave = name == "client-leaves"
    direct = exchange(served.upstream.url, path, body, "sk-upstream-secret", leave=leave)
    through = exchange(served.url, path, body, served.agent(), leave=leave)

    if name == "bad-json":  # refused before it is sent: what the upstream says of it cannot be known
        assert (direct.status, through.status) == (b"400", b"400")
        assert len(served.upstream.requests) == 1
        return
    if not leave:
        assert through.body == direct.body
        assert through.complete == direct.complete
    assert through.status == direct.status
    answer = differences(direct.headers, through.headers)
    assert {h for h in answer if not h.startswith(("x-aexl-", "x-ratelimit-"))} <= documented("Answer headers")
    (_, sent_path, sent, sent_body), (_, passed_path, passed, passed_body) = served.upstream.requests
    request = differences({k.lower(): v for k, v in sent.items()}, {k.lower(): v for k, v in passed.items()})
    assert request <= documented("Request headers")
    assert passed_path == sent_path
    if passed_body != sent_body:
        assert name in documented("Request bodies")


def test_what_the_client_sent_reaches_the_upstream(served):
    path, body = EXCHANGES["unknown-parameters"]
    exchange(served.url, path, body, served.agent())
    [(_, _, headers, passed)] = served.upstream.requests

    assert headers["X-Own".lower()] if "x-own" in headers else headers["X-Own"] == "kept"
    assert passed == body


def test_equal_keys_mean_one_thing_to_us_and_to_the_provider(served):
    path, body = EXCHANGES["equal-keys"]
    exchange(served.url, path, body, served.agent())
    [(_, _, _, passed)] = served.upstream.requests

    assert passed.count(b'"seed"') == 1
    assert b'"seed":2' in passed
