"""Whole calls, kept as files: what a client sends and gets, and what its provider gets and sends.

Each folder of ``golden`` is a call. ``client.json`` is the client's request, ``sent.json``
what the provider is sent; ``upstream.json`` or ``upstream.sse`` is what it answers,
``answer.json`` or ``answer.sse`` what the client gets. To write ``sent`` and
``answer`` anew, set ``AEXL_WRITE_GOLDEN`` and read the difference.
"""

from __future__ import annotations

import json
import os

import pytest

from aexl.testing.factories import make_call, make_target
from aexl.testing.provider import EVENTS, JSON, FakeProvider, FakeReply, read_all
from aexl_translation import requests


def pretty(data: bytes) -> str:
    return json.dumps(json.loads(data), indent=2, ensure_ascii=False) + "\n"


def pieces(stream: bytes) -> tuple[bytes, ...]:
    """Return a stream in pieces that end anywhere."""
    return tuple(stream[start : start + 97] for start in range(0, len(stream), 97))


async def test_a_call_is_translated_both_ways(case, usage, make_provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "now", lambda: 1_700_000_000)
    if case.stream:
        reply = FakeReply(headers=EVENTS, chunks=pieces(case.read("upstream.sse")), usage=usage)
    else:
        reply = FakeReply(headers=JSON, chunks=(case.read("upstream.json"),), usage=usage)
    inner = FakeProvider(reply, surfaces=frozenset({case.into}))
    body = json.loads(case.read("client.json"))
    call = make_call(body, id="0000-id", surface=case.origin, stream=case.stream, output_limit=case.limit)
    async with make_provider(inner).open(call, make_target(model=case.model)) as answer:
        got = await read_all(answer)

    sent = pretty(inner.calls[0].body.data)
    text = got.decode() if case.stream else pretty(got)
    name = "answer.sse" if case.stream else "answer.json"
    if os.environ.get("AEXL_WRITE_GOLDEN"):
        (case.folder / "sent.json").write_text(sent)
        (case.folder / name).write_text(text)
    assert sent == case.read("sent.json").decode()
    assert text == case.read(name).decode()
    assert inner.targets[0].output_limit == case.limit
