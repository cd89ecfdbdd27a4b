"""``aexl serve --cassette``: recorded over real sockets, replayed with the upstream off."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from model_server import ModelServer
from program import Program

pytestmark = pytest.mark.slow

Answer = tuple[int, list[tuple[str, str]], bytes]

ASKED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"model": "gpt.plain", "messages": [{"role": "user", "content": "Hi"}]}),
    ("/v1/chat/completions", {"model": "gpt.plain", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}),
    ("/v1/responses", {"model": "gpt.plain", "stream": True, "input": "Hi"}),
    ("/v1/messages", {"model": "claude.plain", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}),
    (
        "/v1/messages",
        {"model": "claude.plain", "max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "Hi"}]},
    ),
    ("/v1/chat/completions", {"model": "gpt.status-429", "messages": [{"role": "user", "content": "Hi"}]}),
]


def ask(
    program: Program, token: str, path: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Answer:
    """Return status, headers and body of an answer as they came."""
    place = urlsplit(program.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    sent = {"authorization": f"Bearer {token}", "content-type": "application/json", **(headers or {})}
    connection.request("POST", path, json.dumps(body), sent)
    response = connection.getresponse()
    try:
        data = response.read()
    except http.client.IncompleteRead as error:
        data = error.partial + b"[cut]"
    connection.close()
    return response.status, response.getheaders(), data


def from_the_provider(answer: Answer) -> Answer:
    """Return an answer without what aexl and its server add, which says when and by which execution."""
    status, headers, data = answer
    own = ("x-aexl-", "x-ratelimit-", "date", "transfer-encoding", "content-length", "connection", "retry-after")
    return status, sorted(header for header in headers if not header[0].lower().startswith(own)), data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tapes"


def record(program: Program, folder: Path) -> None:
    program.start("--port", "0", "--cassette", str(folder), "--record")


def replay(program: Program, folder: Path, *options: str) -> None:
    program.start("--port", "0", "--cassette", str(folder), "--replay", *(options or ("--timing", "none")))


def test_everything_replays_byte_for_byte_and_costs_the_same_with_the_upstream_off_and_no_key(
    program: Program, upstream: ModelServer, folder: Path
) -> None:
    record(program, folder)
    token = program.agent()
    recorded = [ask(program, token, *asked) for asked in ASKED]
    spent = Decimal(program.inspect()["spent"])
    program.stop()
    asked = len(upstream.requests)
    upstream.__exit__()
    del program.environ["UPSTREAM_KEY"]
    replay(program, folder)
    replayed = [ask(program, token, *asked) for asked in ASKED]

    assert list(map(from_the_provider, replayed)) == list(map(from_the_provider, recorded))
    assert [answer[0] for answer in recorded] == [200, 200, 200, 200, 200, 429]
    assert len(upstream.requests) == asked
    assert spent > 0
    assert Decimal(program.inspect()["spent"]) == 2 * spent
    program.stop()
    program.run("ledger", "verify")


def test_no_key_gets_into_a_recording(program: Program, folder: Path) -> None:
    record(program, folder)
    token = program.agent("alice", "5", "--passthrough")
    body = {"model": "gpt.plain", "messages": [{"role": "user", "content": f"my token is {token}"}]}
    ask(program, token, "/v1/chat/completions", body, {"x-aexl-provider-key": "brought-along", "cookie": "a=crumb"})
    program.stop()
    written = b"".join(path.read_bytes() for path in folder.iterdir())

    assert b"my token is [redacted]" in written
    assert [word for word in (token, "sk-upstream-secret", "brought-along", "crumb") if word.encode() in written] == []


def test_a_cut_stream_and_a_reset_replay_as_they_were(program: Program, upstream: ModelServer, folder: Path) -> None:
    asked = [
        {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        for model in ("gpt.cut", "gpt.reset")
    ]
    record(program, folder)
    token = program.agent()
    recorded = [ask(program, token, "/v1/chat/completions", body) for body in asked]
    program.stop()
    before = len(upstream.requests)
    replay(program, folder)
    replayed = [ask(program, token, "/v1/chat/completions", body) for body in asked]

    assert len(upstream.requests) == before
    assert (replayed[0][2], replayed[1][0]) == (recorded[0][2], recorded[1][0])
    assert recorded[0][2].endswith(b"[cut]")
    assert json.loads(replayed[1][2])["error"]["code"] == json.loads(recorded[1][2])["error"]["code"]


def test_a_miss_is_a_502_that_names_the_difference_and_nobody_is_asked(
    program: Program, upstream: ModelServer, folder: Path
) -> None:
    record(program, folder)
    token = program.agent()
    path, body = ASKED[0]
    ask(program, token, path, body)
    program.stop()
    before = len(upstream.requests)
    replay(program, folder)
    status, headers, data = ask(program, token, path, {**body, "messages": [{"role": "user", "content": "Ho"}]})
    error = json.loads(data)["error"]

    assert (status, error["code"]) == (502, "cassette_miss")
    assert 'differs at body.messages[0].content: recorded "Hi", asked "Ho"' in error["message"]
    assert ("x-should-retry", "false") in headers
    assert len(upstream.requests) == before
    [execution] = [e for e in program.json("ledger", "show") if e["state"] != "committed"]
    assert execution["state"] == "released"


def test_recorded_timing_is_kept_by_default(program: Program, folder: Path) -> None:
    body = {"model": "gpt.paced", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    record(program, folder)
    token = program.agent()
    ask(program, token, "/v1/chat/completions", body)
    program.stop()
    seconds = []
    for timing in ("recorded", "none"):
        replay(program, folder, "--timing", timing)
        took = []
        for _ in range(5):  # the quickest counts, since a machine may be busy
            before = time.monotonic()
            ask(program, token, "/v1/chat/completions", body)
            took.append(time.monotonic() - before)
        seconds.append(min(took))
        program.stop()

    assert seconds[0] >= 0.2 > seconds[1]


def test_a_client_that_leaves_does_not_keep_the_answer_from_being_recorded(program: Program, folder: Path) -> None:
    record(program, folder)
    token = program.agent()
    place = urlsplit(program.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    body = {"model": "gpt.paced", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    connection.getresponse().read(10)
    connection.close()
    program.stop()
    [recording] = program.json("cassette", "list", "--cassette", str(folder))["recordings"]
    shown = program.json("cassette", "show", recording["id"], "--cassette", str(folder))

    assert shown["end"]["finished"]
    assert "".join(piece["text"] for piece in shown["pieces"]).endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--record", "--replay"), "exclude each other"),
        (("--cassette", "x"), "needs --record or --replay"),
        (("--record", "--timing", "none"), "--timing needs --replay"),
        (("--replay", "--cassette", "none"), "there is no folder 'none'"),
        (("--set", "serve"), "--set takes TABLE.KEY=VALUE"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(
    program: Program, options: tuple[str, ...], message: str
) -> None:
    done = program.run("serve", *options, check=False)

    assert done.returncode == 2
    assert message in done.stderr


def test_a_server_does_not_ask_providers_because_the_plugin_is_off(program: Program, folder: Path) -> None:
    folder.mkdir()
    program.configure('[plugins]\noff = ["cassettes"]\n')
    done = program.run("serve", "--cassette", str(folder), "--replay", check=False)

    assert done.returncode == 2
    assert "no plugin that is on declares it" in done.stderr
