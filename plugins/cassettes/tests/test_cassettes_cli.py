"""``aexl cassette``."""

from __future__ import annotations

import re
import time

import pytest

from aexl.errors import ProviderFailed
from aexl.testing.factories import make_call
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.provider import EVENTS, FakeReply
from aexl.testing.session import FakeSession, run_command
from aexl_cassettes.cli import app
from aexl_cassettes.config import CassettesConfig

RESET = ProviderFailed("the connection was reset", code="upstream_reset", status=502, charged="unknown")


@pytest.fixture
def cassette(tmp_path, deck):
    def run(*arguments, config=None):
        section = config or CassettesConfig(folder=str(deck.folder.path))
        session = FakeSession(FakeHost(tmp_path, config=FakeConfig(section)))
        return run_command(app, session, *arguments)

    return run


def test_list_shows_what_was_asked_and_answered(cassette, deck, tape):
    deck.put(tape())
    deck.put(tape(FakeReply(headers=EVENTS, chunks=(b"data: {}\n\n",), cut=RESET), at=2000.0))
    done = cassette("list")
    lines = done.out.splitlines()

    assert done.code == 0
    assert re.fullmatch(
        r"[0-9a-f]{16}-001  POST /chat/completions  test-model  chat  200  \d+  1970-01-01 00:16:40Z", lines[1]
    )
    assert "200 upstream_reset" in lines[2]
    assert [row["answer"] for row in cassette("list", "--json").json()["recordings"]] == ["200", "200 upstream_reset"]


def test_list_names_files_that_cannot_be_read_and_exits_with_1(cassette, deck, tape):
    name = deck.put(tape())
    path = deck.folder.path / f"{name}.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    done = cassette("list")

    assert done.code == 1
    assert f"{path}: the recording is cut off" in done.err


def test_the_folder_can_be_named(cassette, deck, tape, tmp_path):
    deck.put(tape())
    done = cassette("list", "--cassette", str(deck.folder.path), "--json", config=CassettesConfig())
    assert len(done.json()["recordings"]) == 1
    assert cassette("list", "--cassette", str(tmp_path / "none")).code == 2
    assert cassette("list", "--json", config=CassettesConfig()).json() == {"recordings": [], "problems": []}


def test_show_prints_the_request_and_a_stream_event_by_event(cassette, deck, tape):
    events = (b'event: a\ndata: {"x":1}\n\ndata: two\n\n', b"data: cut in the mid")
    call = make_call({"model": "x", "messages": [{"role": "user", "content": "Hi there"}]}, query="beta=true")
    name = deck.put(tape(FakeReply(headers=EVENTS, chunks=events, cut=RESET, usage=None), call))
    out = cassette("show", name[:6]).out

    assert "> POST /chat/completions?beta=true" in out
    assert '"content": "Hi there"' in out
    assert "< 200 after 0.500 s" in out
    assert '    1.000 s  event: a\n             data: {"x":1}\n    1.000 s  data: two' in out
    assert "cut off  data: cut in the mid" in out
    assert "failed after 3.000 s with upstream_reset: the connection was reset" in out


def test_show_prints_json_indented_and_what_was_used(cassette, deck, tape):
    name = deck.put(tape())
    out = cassette("show", name).out

    assert '  "object": "chat.completion",' in out
    assert "ended after 2.000 s\nusage: input_tokens 10, output_tokens 20" in out
    assert cassette("show", name, "--json").json()["head"]["status"] == 200


def test_show_does_not_print_bytes_that_are_no_text(cassette, deck, tape):
    name = deck.put(tape(FakeReply(headers=((b"content-type", b"audio/mpeg"),), chunks=(b"\xff\x00\x01",))))
    assert "3 bytes of audio/mpeg" in cassette("show", name).out


def test_prune_needs_a_condition(cassette, deck, tape):
    deck.put(tape())
    assert cassette("prune").code == 2
    assert cassette("prune", "--older-than", "soon").code == 2
    assert len(deck.folder.list().entries) == 1


def test_prune_deletes_what_is_older_and_can_be_tried_before(cassette, deck, tape):
    old, new = deck.put(tape(at=1000.0)), deck.put(tape(at=time.time()))
    tried = cassette("prune", "--older-than", "30d", "--dry-run", "--json").json()
    assert tried == {"deleted": [], "found": [old]}
    assert len(deck.folder.list().entries) == 2

    assert cassette("prune", "--older-than", "30d").out == f"{old}\n1 recording deleted\n"
    assert [entry.id for entry in deck.folder.list().entries] == [new]


def test_prune_unused_keeps_what_was_replayed(cassette, deck, tape):
    used, unused = deck.put(tape()), deck.put(tape())
    deck.folder.mark(used, 5.0)

    assert cassette("prune", "--unused", "--json").json()["deleted"] == [unused]
    assert [entry.id for entry in deck.folder.list().entries] == [used]


def test_prune_unused_does_not_empty_a_folder_that_was_never_replayed(cassette, deck, tape):
    deck.put(tape())
    done = cassette("prune", "--unused")

    assert (done.code, "would delete all of it" in done.err) == (2, True)
    assert len(deck.folder.list().entries) == 1


def test_two_conditions_must_both_hold(cassette, deck, tape):
    names = [deck.put(tape(at=at)) for at in (1000.0, 1000.0, time.time())]
    deck.folder.mark(names[0], 5.0)

    assert cassette("prune", "--unused", "--older-than", "1h", "--json").json()["deleted"] == [names[1]]
