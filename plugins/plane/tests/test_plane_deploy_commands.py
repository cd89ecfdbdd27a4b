"""``aexl deploy``: what is a command of it, and what is an environment."""

import http.server
import threading

import pytest
import typer
from typer.testing import CliRunner

from aexl.errors import Invalid, NotFound, Unavailable
from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession
from aexl_plane.cli import logs
from aexl_plane.cli.deploy import DEPLOY, app
from aexl_plane.cli.executing import _asked, _read_event
from aexl_plane.cli.logs import follow_log
from aexl_plane.cli.options import check_seconds
from aexl_plane.cli.places import next_environment
from aexl_plane.client.calling import Caller
from aexl_plane.names import RESERVED_ENVIRONMENTS


def test_no_environment_may_be_called_like_a_command():
    assert set(typer.main.get_command(app).commands) == RESERVED_ENVIRONMENTS


@pytest.mark.parametrize(
    ("words", "used"),
    [
        (["dev", "--help"], DEPLOY),
        (["--canary", "10", "dev", "--help"], DEPLOY),
        (["list", "--help"], "list"),
        (["--help"], "COMMAND [ARGS]"),
    ],
)
def test_a_word_that_is_no_command_is_an_environment(words, used):
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0
    assert used in shown.output.partition("\n\n")[0].partition("Usage:")[2].splitlines()[0]


def test_where_an_environment_is_promoted_to():
    assert (next_environment("dev"), next_environment("staging")) == ("staging", "prod")
    with pytest.raises(NotFound, match="promote qa ENV"):
        next_environment("qa")


def test_what_is_asked_of_a_handler(tmp_path):
    (tmp_path / "event.json").write_text('{"a": 1}')
    assert _read_event(f"@{tmp_path}/event.json") == {"a": 1}
    assert _asked("tool", "t", {"a": 1}) == {"kind": "tool", "handler": "t", "event": {"a": 1}}
    assert _asked("http", "get /x", {"query": {"q": "1"}})["http"] == {
        "method": "GET",
        "path": "/x",
        "query": {"q": "1"},
    }
    assert _asked("mcp", "s/t", {"a": 1})["mcp"] == {"server": "s", "tool": "t", "args": {"a": 1}}
    for words in (("http", "hello"), ("mcp", "s"), ("lambda", "x")):
        with pytest.raises(Invalid):
            _asked(*words, {})
    for text in ("[]", "{", "@/no/such/file"):
        with pytest.raises(Invalid, match="--event"):
            _read_event(text)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["dev", ""], "SNAPSHOT"),
        ([""], "ENV"),
        (["dev", "--runtime", ""], "--runtime"),
        (["promote", "dev", ""], "TO"),
        (["rollback", "prod", "--to", ""], "--to"),
        (["validate", ""], "SNAPSHOT"),
        (["approve", ""], "DEPLOYMENT"),
        (["replay", "x", "--on", ""], "--on"),
        (["status", ""], "ENV"),
        (["logs", ""], "EXECUTION"),
        (["logs", "--env", ""], "--environment"),
        (["status", "-p", ""], "the project"),
    ],
)
def test_a_variable_that_is_not_set_is_not_left_out(words, named, tmp_path):
    ran = CliRunner().invoke(app, words, obj=FakeSession(FakeHost(tmp_path)))
    assert isinstance(ran.exception, Invalid)
    assert str(ran.exception).startswith(f"{named} is empty")


def test_a_reason_may_be_empty(tmp_path):
    ran = CliRunner().invoke(app, ["dev", "--reason", ""], obj=FakeSession(FakeHost(tmp_path)))
    assert isinstance(ran.exception, NotFound)  # nobody has logged in


def test_a_time_is_a_number_of_seconds():
    for good in (0.0, 30.0, 86_400.0):
        check_seconds("--wait", good)
    for wrong in (float("nan"), float("inf"), -1.0, 1e300):
        with pytest.raises(Invalid, match="--wait"):
            check_seconds("--wait", wrong)


def test_only_executions_that_begin_later_are_new(monkeypatch):
    monkeypatch.setattr(logs, "_POLL", 0.0)
    known = [{"id": str(number)} for number in range(100, 0, -1)]
    looks = iter([known, [{"id": "102"}, {"id": "101"}, *known[:98]], [{"id": "103"}, {"id": "102"}, {"id": "101"}]])
    new = logs.new_executions(lambda: next(looks), known)
    assert [next(new)["id"] for _ in range(3)] == ["101", "102", "103"]


def test_following_an_environment_begins_with_the_latest_and_shows_no_older_ones(monkeypatch, capsys):
    there = [{"id": str(number), "kind": "tool", "handler": "t", "status": "ok"} for number in range(100, 0, -1)]
    monkeypatch.setattr(logs, "list_executions", lambda target, environment, status, limit: there[:limit])
    monkeypatch.setattr(logs, "_show", lambda *_, **__: None)
    monkeypatch.setattr(logs, "new_executions", lambda look, known: iter([]) if known == look() == there else None)
    monkeypatch.setattr("aexl_plane.cli.targets.find_target", lambda *_: None)
    ran = CliRunner().invoke(app, ["logs", "--env", "dev", "--follow", "-n", "2"])
    assert ran.exit_code == 0, ran.exception
    assert [line.partition(":")[0] for line in ran.stderr.splitlines()] == ["99", "100"]


class _Stream(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 404 if self.path == "/none" else 200
        self.send_response(status)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        log = b': it goes on\n\nid: 1\nevent: log\ndata: {"event":"said"}\n\n'
        end = b'event: end\ndata: {"execution":"e","status":"ok"}\n\n'
        for piece in [b'{"error":{"message":"gone"}}'] if status == 404 else [log, end]:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if self.path == "/cut":
                return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def streaming():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Caller(f"http://127.0.0.1:{server.server_port}", "aexl_t")
        server.shutdown()
        thread.join()


def test_a_log_is_followed_to_its_end_and_a_break_is_said(streaming, capsys):
    assert list(follow_log(streaming, "/all")) == [{"event": "said"}]
    assert capsys.readouterr().err == "e: ok\n"
    with pytest.raises(NotFound, match="gone"):
        list(follow_log(streaming, "/none"))
    with pytest.raises(Unavailable, match="broke off"):
        list(follow_log(streaming, "/cut"))
