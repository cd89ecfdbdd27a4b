"""Where commands keep tokens, and what they act on."""

from __future__ import annotations

import os
import threading

import pytest

from aexl.errors import AexlError, Conflict, Invalid, NotFound, Unavailable
from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession
from aexl_plane.cli.people import read_seconds
from aexl_plane.cli.revoking import _end
from aexl_plane.client import calling
from aexl_plane.client.calling import Caller, check_url
from aexl_plane.client.credentials import Chosen, Credentials, Profile
from aexl_plane.client.logins import LoginService
from aexl_plane.client.target import Server, Wanted, find_place, find_server, find_url

URL = "https://a.example"
PROFILE = Profile(url=URL, user="u@x", tenant="t")


class Ring:
    """A keyring in memory; ``loses`` what it is given, or ``fails``, as real backends do."""

    def __init__(self, *, loses=False, fails=False):
        self.kept = {}
        self.loses, self.fails = loses, fails

    def get_password(self, service, username):
        if self.fails:
            raise RuntimeError("no backend")
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        if self.fails:
            raise RuntimeError("no backend")
        if not self.loses:
            self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in list(os.environ):
        if name.startswith("AEXL_"):
            monkeypatch.delenv(name)


def in_file(home, keyring=None):
    return Credentials(home, lambda: keyring)


def test_a_token_is_kept_in_a_file_that_nobody_else_may_read(home):
    kept = in_file(home)
    assert kept.save("default", PROFILE, "secret") == "file"
    path = home / "credentials.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept.token("default", kept.profile("default")) == ("secret", "file")
    path.chmod(0o640)
    with pytest.raises(Invalid, match="chmod 600"):
        kept.read()


def test_the_file_is_never_readable_by_others_not_even_for_a_moment(home, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _: 0)
    seen = []
    replace = type(home).replace
    monkeypatch.setattr(
        type(home), "replace", lambda self, to: (seen.append(self.stat().st_mode & 0o777), replace(self, to))[1]
    )
    before = os.umask(0)
    try:
        in_file(home).save("default", PROFILE, "secret")
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_a_keyring_that_works_keeps_the_token_and_the_file_has_none(home):
    ring = Ring()
    kept = in_file(home, ring)
    assert kept.save("work", PROFILE, "secret") == "keyring"
    assert "secret" not in (home / "credentials.json").read_text()
    assert kept.token("work", kept.profile("work")) == ("secret", "keyring")
    kept.remove("work")
    assert ring.kept == {}


@pytest.mark.parametrize("ring", [Ring(loses=True), Ring(fails=True), None], ids=["loses", "fails", "none"])
def test_a_keyring_that_loses_tokens_is_not_trusted_with_one(home, ring):
    kept = in_file(home, ring)
    assert kept.save("default", PROFILE, "secret") == "file"
    assert kept.token("default", kept.profile("default"))[0] == "secret"


def test_a_token_that_the_keyring_has_no_longer_is_missed_by_name(home):
    ring = Ring()
    kept = in_file(home, ring)
    kept.save("work", PROFILE, "secret")
    ring.kept.clear()
    with pytest.raises(NotFound, match="work"):
        kept.token("work", kept.profile("work"))


def test_the_last_login_is_the_current_one_until_another_is_chosen_or_it_is_removed(home):
    kept = in_file(home)
    for name in ("one", "two"):
        kept.save(name, PROFILE, name)
    assert kept.read().current == "two"
    kept.switch("one")
    assert kept.read().current == "one"
    kept.remove("one")
    assert kept.read().current == "two"
    kept.remove("two")
    assert (kept.read().current, kept.read().profiles) == ("default", {})
    for act in (kept.switch, kept.remove, kept.profile):
        with pytest.raises(NotFound, match="one"):
            act("one")


def test_two_commands_at_once_lose_no_login(home):
    names = [f"p{n}" for n in range(16)]
    threads = [threading.Thread(target=in_file(home).save, args=(name, PROFILE, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(in_file(home).read().profiles) == sorted(names)


def test_a_damaged_file_is_named_and_left(home):
    path = home / "credentials.json"
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(Invalid, match="damaged"):
        in_file(home).save("default", PROFILE, "x")
    assert path.read_text() == "{"


@pytest.fixture
def session(home):
    return FakeSession(FakeHost(home))


def test_the_url_is_of_the_flag_then_the_variable_the_profile_and_the_server_here(session, monkeypatch):
    session.status = {"url": "http://127.0.0.1:9000"}
    assert find_url(session, None, None) == "http://127.0.0.1:9000"
    assert find_url(session, None, PROFILE) == URL
    monkeypatch.setenv("AEXL_URL", "https://b.example/")
    assert find_url(session, None, PROFILE) == "https://b.example"
    assert find_url(session, "https://c.example", PROFILE) == "https://c.example"
    monkeypatch.delenv("AEXL_URL")
    session.status = None
    with pytest.raises(NotFound, match="--url"):
        find_url(session, None, None)


def test_a_profiles_token_is_sent_to_no_other_server(session, home, monkeypatch):
    in_file(home).save("default", PROFILE, "secret", keyring=False)
    found = find_server(session, Wanted())
    assert (found.url, found.profile, found.source) == (URL, "default", "file")
    for wanted in (Wanted(url="https://evil.example"),):
        with pytest.raises(Invalid, match="not sent to"):
            find_server(session, wanted)
    monkeypatch.setenv("AEXL_URL", "https://evil.example")
    with pytest.raises(Invalid, match="not sent to"):
        find_server(session, Wanted())
    monkeypatch.setenv("AEXL_TOKEN", "another")
    found = find_server(session, Wanted())
    assert (found.url, found.profile, found.login, found.source) == ("https://evil.example", None, None, "AEXL_TOKEN")


def test_without_any_login_the_way_to_one_is_told(session):
    session.status = {"url": "http://127.0.0.1:9000"}
    with pytest.raises(NotFound, match="aexl auth login"):
        find_server(session, Wanted())
    with pytest.raises(NotFound, match="other"):
        find_server(session, Wanted(profile="other"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://[",
        "http://a:x",
        "https://" + "a" * 64,
        "http://\udcff",
        "a.example",
        "ftp://a",
        "https://",
        "https://u:p@a",
        "https://a/?x=1",
        "http://a.example",
        "https://a/#x",
    ],
)
def test_a_url_that_would_lose_the_token_is_refused(url):
    with pytest.raises(Invalid):
        check_url(url)


def test_what_is_chosen_is_what_the_server_has():
    me = {
        "workspaces": [
            {"id": "ws_1", "slug": "one", "projects": [{"id": "pr_1", "slug": "a"}, {"id": "pr_2", "slug": "b"}]},
            {"id": "ws_2", "slug": "two", "projects": [{"id": "pr_3", "slug": "c"}]},
        ]
    }

    def place(login=None, **wanted):
        found = find_place(Server(URL, "p", "file", login, Caller(URL, "t")), Wanted(**wanted), me)
        return found.slug if found else None

    chosen = Profile(
        url=URL, user="u", tenant="t", workspace=Chosen(id="ws_1", slug="old"), project=Chosen(id="pr_2", slug="old")
    )
    assert place() is None
    assert place(workspace="two") == "two/c"
    assert place(workspace="one") == "one"
    assert place(chosen) == "one/b"
    assert place(chosen, workspace="two") == "two/c"
    assert place(chosen, project="pr_1") == "one/a"
    gone = Profile(url=URL, user="u", tenant="t", workspace=Chosen(id="ws_9", slug="gone"))
    for wrong in ({"login": gone}, {"workspace": "x"}, {"workspace": "two", "project": "a"}):
        with pytest.raises(NotFound):
            place(**wrong)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (401, AexlError),
        (403, AexlError),
        (404, NotFound),
        (405, Invalid),
        (409, Conflict),
        (302, Unavailable),
        (503, Unavailable),
    ],
)
def test_what_a_server_says_becomes_an_error_of_ours(status, kind):
    error = calling._error(status, b'{"error":{"code":"x","message":"it says why"}}', URL)
    assert type(error) is kind
    assert "it says why" in str(error)
    assert str(status) in str(calling._error(status, b"<html>", URL))


def test_a_token_that_cannot_be_one_is_refused_and_not_shown(session, monkeypatch):
    for token in ("aexl_se\ncret", "aexl_sécret", "aexl_s\udcffecret"):
        with pytest.raises(Invalid) as caught:
            Caller(URL, token)
        assert "cret" not in str(caught.value)
    monkeypatch.setenv("AEXL_URL", URL)
    monkeypatch.setenv("AEXL_TOKEN", "secret\r\n")
    assert find_server(session, Wanted()).calling._token == "secret"
    monkeypatch.setenv("AEXL_TOKEN", " \r\n")
    with pytest.raises(NotFound, match="nobody has logged in"):
        find_server(session, Wanted())


def test_what_cannot_be_sent_is_said_before_anything_is(monkeypatch):
    caller = Caller("http://127.0.0.1:1", "t")
    for ask in (
        lambda: caller.json("POST", "/", {"title": "\ud800"}),
        lambda: caller.json("POST", "/", {}, headers={"idempotency-key": "k\n1"}),
        lambda: caller.json("POST", "/", {}, headers={"idempotency-key": "日本"}),
        lambda: Caller("http://127.0.0.1/é", "t").json("GET", "/"),
        lambda: calling.segment("\udcff"),
        lambda: calling.query({"environment": "\udcff"}),
        lambda: calling.segment(""),
    ):
        with pytest.raises(Invalid):
            ask()


@pytest.mark.parametrize("field", Wanted._fields)
def test_an_empty_name_is_not_left_out(session, field):
    session.status = {"url": "http://127.0.0.1:9000"}
    with pytest.raises(Invalid, match=f"the {field} is empty"):
        find_server(session, Wanted(**{field: ""}))


def test_a_profile_whose_name_is_no_text_is_refused(home):
    with pytest.raises(Invalid, match="UTF-8"):
        in_file(home).save("\udcff", PROFILE, "secret")


class Asked:
    """A server that ends the last token only if that is confirmed."""

    def __init__(self):
        self.paths = []

    def json(self, method, path):
        self.paths.append(path)
        if "confirm" not in path:
            raise Conflict("your last token")
        return {"revoked": ["t"]}


def test_ones_last_token_ends_after_a_question_or_with_yes_and_not_without(monkeypatch, capsys):
    server = Server(URL, "p", "file", PROFILE, Asked())
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(Conflict, match="your last token"):
        _end(server, "/t", sure=False)
    assert _end(server, "/t", sure=True) == {"revoked": ["t"]}
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, **_: text == "End it?")
    assert _end(server, "/t", sure=False) == {"revoked": ["t"]}
    assert server.calling.paths == ["/t", "/t?confirm=true", "/t", "/t?confirm=true"]
    assert "your last token" in capsys.readouterr().err


def test_times_to_live_are_numbers_with_a_unit():
    assert [read_seconds(text) for text in (None, "10s", "2m", "3h", "4d")] == [None, 10, 120, 10800, 345_600]
    for wrong in ("", "10", "d", "-1d", "0d", "1w", "1.5h", "1d "):
        with pytest.raises(Invalid):
            read_seconds(wrong)


async def test_other_plugins_get_the_token_of_the_login_that_a_url_belongs_to(home):
    credentials = in_file(home)
    credentials.save("one", PROFILE, "first", keyring=False)
    credentials.save("two", PROFILE, "second", keyring=False)
    credentials.save("other", Profile(url="https://b.example/x", user="u", tenant="t"), "third", keyring=False)
    credentials.switch("two")
    service = LoginService(home)

    assert await service.token(f"{URL}/store/main/demo") == "second"
    assert await service.token("https://b.example/x/store") == "third"
    for stranger in (f"{URL}.evil.example/store", "https://b.example/xx", "https://b.example", "http://a.example/"):
        assert await service.token(stranger) is None
