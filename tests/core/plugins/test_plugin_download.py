"""Wheels from an address, and from an index through uv or pip."""

from __future__ import annotations

import hashlib
import http.server
import os
import sys
import threading
from pathlib import Path

import pytest

from aexl.core.plugins import download as downloading
from aexl.core.plugins import index
from aexl.core.plugins.download import address_digest, check_digest, download, shown_address
from aexl.core.plugins.wheel import read_wheel
from aexl.errors import Conflict, Invalid, Unavailable

NAME = "hello-1.0-py3-none-any.whl"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """A server on loopback; ``answers`` by path."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answers = {}
    made.url = f"http://127.0.0.1:{made.server_port}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def fetch(url, folder, progress=lambda count, total: None):
    return download(url, folder, progress)


def test_a_wheel_is_fetched_and_its_progress_told(server, tmp_path):
    server.answers[f"/{NAME}"] = (200, {"content-length": "300000"}, b"x" * 300_000)
    told = []
    path = fetch(f"{server.url}/{NAME}#sha256=abc", tmp_path, lambda count, total: told.append((count, total)))

    assert (path.name, path.stat().st_size) == (NAME, 300_000)
    assert told[-1] == (300_000, 300_000)


def test_a_redirection_is_followed_but_not_to_where_anybody_can_listen(server, tmp_path):
    server.answers[f"/{NAME}"] = (302, {"location": "/there"}, b"")
    server.answers["/there"] = (200, {}, b"x")
    assert fetch(f"{server.url}/{NAME}", tmp_path).read_bytes() == b"x"

    server.answers["/there"] = (302, {"location": f"http://example.com/{NAME}"}, b"")
    with pytest.raises(Invalid, match=r"http://example.com/.*only https is used"):
        fetch(f"{server.url}/{NAME}", tmp_path)


def test_redirections_in_a_circle_come_to_an_end(server, tmp_path):
    server.answers[f"/{NAME}"] = (302, {"location": f"/{NAME}"}, b"")
    with pytest.raises(Unavailable, match="more than 5 redirections"):
        fetch(f"{server.url}/{NAME}", tmp_path)


@pytest.mark.parametrize("url", ["http://example.com/{}", "ftp://127.0.0.1/{}", "file:///tmp/{}", "http://10.0.0.1/{}"])
def test_only_https_is_used_and_http_to_loopback(tmp_path, url):
    with pytest.raises(Invalid, match="only https is used"):
        fetch(url.format(NAME), tmp_path)


@pytest.mark.parametrize("path", ["", "hello.tar.gz", "..%2f..%2fevil-1.0-py3-none-any.whl"])
def test_an_address_ends_in_a_wheels_name(tmp_path, path):
    with pytest.raises(Invalid, match="does not end in the name of a wheel"):
        fetch(f"https://example.com/{path}", tmp_path)


def test_a_status_other_than_200_is_said_without_what_is_secret_in_the_address(server, tmp_path):
    url = server.url.replace("//", "//user:secret@")
    with pytest.raises(Unavailable, match="answered with status 404") as caught:
        fetch(f"{url}/{NAME}?token=secret", tmp_path)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="cannot be fetched"):
        fetch(f"http://127.0.0.1:1/{NAME}", tmp_path)


@pytest.mark.parametrize("declared", [True, False])
def test_a_download_is_bounded_whether_or_not_it_says_how_long_it_is(server, tmp_path, monkeypatch, declared):
    server.answers[f"/{NAME}"] = (200, {"content-length": "1000"} if declared else {}, b"x" * 1000)
    monkeypatch.setattr(downloading, "MAX_WHEEL_BYTES", 1000)
    fetch(f"{server.url}/{NAME}", tmp_path)
    monkeypatch.setattr(downloading, "MAX_WHEEL_BYTES", 999)
    with pytest.raises(Invalid, match="more than 999 bytes"):
        fetch(f"{server.url}/{NAME}", tmp_path)


def test_an_address_may_carry_its_hash_and_is_shown_without_secrets():
    assert address_digest("https://a/b.whl#sha256=ABC&x=1") == "ABC"
    assert address_digest("https://a/b.whl#x") is None
    assert shown_address("https://u:p@a.example:8/b.whl?key=1#x") == "https://a.example:8/b.whl"


@pytest.mark.parametrize("text", ["", "abc", "0" * 63, "g" * 64, "0" * 65])
def test_a_hash_has_64_digits(text):
    with pytest.raises(Invalid, match="no SHA-256"):
        check_digest(text)


def program(folder, name, script):
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, shutil, sys\n{script}")
    path.chmod(0o755)


PIP = """
assert sys.argv[1] == "download" and "--no-deps" in sys.argv and "--only-binary=:all:" in sys.argv, sys.argv
folder = sys.argv[sys.argv.index("--dest") + 1]
for wanted in sys.argv[sys.argv.index("--dest") + 2:]:
    name = wanted.split(">")[0]
    shutil.copy(os.path.join(os.environ["WHEELS"], f"{name}-1.0-py3-none-any.whl"), folder)
"""

UV = """
from pathlib import Path
assert sys.argv[1:3] == ["pip", "compile"] and "--no-deps" in sys.argv, sys.argv
rows = ['lock-version = "1.0"']
for wanted in Path(sys.argv[3]).read_text().split():
    name = wanted.split(">")[0]
    rows += ["[[packages]]", 'name = "' + name + '"', 'version = "1.0"', "wheels = ["]
    rows += ['{ url = "URL/' + name + '-1.0-cp27-cp27m-any.whl" },']
    rows += ['{ url = "URL/' + name + '-1.0-py3-none-any.whl", hashes = { sha256 = "DIGEST" } }]']
Path(sys.argv[sys.argv.index("--output-file") + 1]).write_text("\\n".join(rows))
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """An empty folder that is the whole ``PATH``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("WHEELS", str(tmp_path / "wheels"))
    monkeypatch.setattr(index.importlib.util, "find_spec", lambda name: None)
    return folder


def say_nothing(count, total):
    pass


@pytest.fixture
def fetched(tmp_path):
    folder = tmp_path / "fetched"
    folder.mkdir()
    return folder


def test_a_name_comes_through_pip_with_what_it_requires_and_nothing_of_the_hosts(home, tools, fetched, make_wheel):
    make_wheel(requires=["aexl>=0.0.1", "msgspec", "needed>=1"])
    make_wheel("needed", plugins={}, requires=["deeper"])
    make_wheel("deeper", plugins={})
    program(tools, "pip3", PIP)
    name, fetch = index.find_fetch(say_nothing)
    [path] = fetch(["hello"], fetched)
    found = index.complete(home, [read_wheel(path)], fetched, fetch)

    assert name == "pip3"
    assert [wheel.name for wheel in found] == ["hello", "needed", "deeper"]


def test_uv_chooses_and_the_wheel_that_fits_is_fetched_with_its_hash(tools, fetched, make_wheel, server):
    path = make_wheel()
    server.answers[f"/{NAME}"] = (200, {}, path.read_bytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    program(tools, "uv", UV.replace("URL", server.url).replace("DIGEST", digest))
    program(tools, "pip3", "sys.exit(1)")
    name, fetch = index.find_fetch(say_nothing)

    assert name == "uv"
    assert [found.name for found in fetch(["hello"], fetched)] == [NAME]
    program(tools, "uv", UV.replace("URL", server.url).replace("DIGEST", "0" * 64))
    with pytest.raises(Invalid, match="its SHA-256 is"):
        fetch(["hello"], fetched)


def test_a_program_that_fails_is_named_with_what_it_said(tools, fetched):
    program(tools, "pip", "print('looking', flush=True); sys.exit('No matching distribution found for hello')")
    _, fetch = index.find_fetch(say_nothing)
    with pytest.raises(Unavailable, match="pip ended with exit code 1\n") as caught:
        fetch(["hello"], fetched)
    assert {"looking", "No matching distribution found for hello"} <= set(str(caught.value).splitlines())


def test_a_machine_without_uv_and_pip_says_what_else_will_do(tools):
    with pytest.raises(Unavailable, match="this machine has neither; give a wheel or an address"):
        index.find_fetch(say_nothing)


def test_requirements_without_end_are_given_up(home, fetched, make_wheel):
    def fetch(requirements, folder):
        number = int(requirements[0].removeprefix("n"))
        return [make_wheel(f"n{number}", plugins={}, requires=[f"n{number + 1}"])]

    first = read_wheel(make_wheel(requires=["n0"]))
    with pytest.raises(Conflict, match="hello requires more than 20 packages one through the other"):
        index.complete(home, [first], fetched, fetch)


def test_a_foreign_program_gets_a_clean_environment(tools, fetched, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/ours")
    seen = tmp_path / "seen"
    program(tools, "pip", f"open({str(seen)!r}, 'w').write(os.environ.get('LD_LIBRARY_PATH', 'none'))")
    index.find_fetch(say_nothing)[1](["hello"], fetched)

    assert seen.read_text() == "none"
    assert os.environ["LD_LIBRARY_PATH"] == "/ours"
    assert list(Path(fetched).iterdir()) == []
