"""Plugins as a person uses them: in processes of their own, beside a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request

import pytest

pytestmark = pytest.mark.slow

PAGE = """
from aexl.api import Mount
from aexl.hookspecs import Plugin, hookimpl

async def app(scope, receive, send):
    import hello_text
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": hello_text.TEXT.encode()}})

class Hello(Plugin):
    @hookimpl
    def aexl_routes(self, host):
        return [Mount(path="/hello", app=app, auth="none")]
"""


@pytest.fixture
def aexl(home, tmp_path):
    """Run ``aexl`` in a home of its own."""
    (home / "aexl.toml").write_text("[serve]\nport = 0\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AEXL_HOME": str(home)}

    def run(*arguments):
        command = [sys.executable, "-m", "aexl", *map(str, arguments)]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    yield run
    run("daemon", "stop", "--now")


def get(url, path):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url + path, timeout=10) as answer:
        return answer.read().decode()


def start(aexl):
    return json.loads(aexl("daemon", "start", "--json").stdout)["url"]


def test_a_page_is_installed_served_upgraded_and_removed_beside_a_running_server(aexl, make_wheel, home):
    def wheel(version):
        files = {"hello_plugin.py": PAGE.format(), "hello_text.py": f"TEXT = 'version {version}'\n"}
        return make_wheel(version=version, files=files)

    url = start(aexl)
    done = aexl("plugin", "install", wheel("1.0"))
    assert (done.returncode, "of the ledger" in done.stdout) == (0, True), done.stderr
    assert "The running server has this from its next start" in done.stderr
    assert "The running server started before hello" in aexl("plugin", "list").stderr
    aexl("daemon", "stop")
    url = start(aexl)
    assert aexl("plugin", "install", wheel("2.0")).returncode == 0
    assert get(url, "/hello") == "version 1.0"  # its module is loaded only now, from files that are still there
    aexl("daemon", "stop")
    assert get(start(aexl), "/hello") == "version 2.0"
    assert aexl("plugin", "remove", "hello").returncode == 0
    aexl("daemon", "stop")
    kinds = [json.loads(line)["event"]["kind"] for line in aexl("ledger", "export").stdout.splitlines()]
    assert [kind for kind in kinds if kind.startswith("plugin.")] == ["plugin.installed"] * 2 + ["plugin.removed"]
    assert aexl("ledger", "verify").returncode == 0


def test_a_server_that_requires_a_plugin_whose_file_was_changed_does_not_start(aexl, make_wheel, home):
    aexl("plugin", "install", make_wheel())
    (home / "aexl.toml").write_text('[serve]\nport = 0\n[plugins]\nrequire = ["hello"]\n')
    [path] = (home / "plugins" / "hello").glob("*/hello_plugin.py")
    path.write_text(path.read_text() + "\n")
    done = aexl("serve")

    assert done.returncode == 1
    assert "plugin 'hello', [plugins] require: is required and off: its files are not those" in done.stderr
    assert "Traceback" not in done.stderr
    assert aexl("plugin", "check", "hello").returncode == 1
    assert aexl("doctor").returncode == 1


def test_a_broken_plugin_is_named_and_the_server_goes_on(aexl, make_wheel, home):
    aexl("plugin", "install", make_wheel())
    [path] = (home / "plugins" / "hello").glob("*/hello_plugin.py")
    path.unlink()
    url = start(aexl)

    assert "ok" in get(url, "/health")
    assert "hello_plugin.py missing" in aexl("plugin", "list").stdout
    assert "hello_plugin.py missing" in aexl("doctor").stdout


def test_help_and_version_load_no_plugin_code_that_is_off(aexl, make_wheel, home, tmp_path):
    mark = tmp_path / "loaded"
    source = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nclass Hello: pass\n"
    aexl("plugin", "install", make_wheel(files={"hello_plugin.py": source}))
    aexl("plugin", "disable", "hello")
    mark.unlink()
    for arguments in (("--version",), ("--help",), ("agent", "list"), ("plugin", "list")):
        assert aexl(*arguments).returncode == 0

    assert not mark.exists()
