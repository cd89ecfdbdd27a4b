"""``aexl plugin`` in this process; the processes in which plugins are tried are real."""

from __future__ import annotations

import json
import sys

import pytest
import typer

from aexl.core.cli.plugin import app
from aexl.core.cli.plugin_names import complete_name
from aexl.core.session import CommandSession
from aexl.testing.session import run_command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_imports")]


@pytest.fixture
def plugin(home):
    """Run ``aexl plugin …`` in the test's home, each time as a new process would."""

    def run(*arguments):
        return run_command(app, CommandSession(home), *map(str, arguments))

    return run


def listed(plugin):
    return {row["name"]: row for row in plugin("list", "--json").json()}


def test_list_shows_origin_state_and_hooks(plugin, make_wheel):
    plugin("install", make_wheel())
    rows = listed(plugin)

    assert rows["echo"]["origin"] == "built-in"
    assert rows["echo"]["hooks"] == ["aexl_provider_types"]
    assert rows["hello"] == {
        "name": "hello",
        "version": "1.0",
        "origin": "wheel",
        "distribution": "hello",
        "state": "on",
        "reason": None,
        "hooks": ["aexl_commands"],
    }
    text = plugin("list").out
    assert "wheel hello" in text
    assert "provider_types" in text


def test_list_asks_every_hook_so_that_a_wrong_answer_shows(plugin, make_wheel, home):
    source = (
        "import pathlib\nfrom aexl.hookspecs import Plugin, hookimpl\n"
        "class Hello(Plugin):\n    @hookimpl\n    def aexl_routes(self, host):\n"
        "        return 3 if (host.data_dir / 'aexl.toml').exists() else ()\n"
    )
    assert plugin("install", make_wheel(files={"hello_plugin.py": source})).code == 0
    (home / "aexl.toml").write_text("")

    assert "aexl_routes: returned int" in listed(plugin)["hello"]["reason"]
    assert "off: aexl_routes: returned int" in plugin("list").out


def test_install_records_the_hash_in_the_ledger_and_remove_too(plugin, make_wheel, home):
    path = make_wheel()
    done = plugin("install", path)
    assert done.code == 0
    assert "installed hello 1.0: hello (aexl_commands); event 1 of the ledger." in done.out
    assert "removed hello 1.0; event 2 of the ledger." in plugin("remove", "hello").out

    from aexl.api import Journal

    async def read(host):
        return await host.service(Journal).read(0, 10)

    events = CommandSession(home).run(read)
    assert [(event["kind"], event["subject"]) for event in events] == [
        ("plugin.installed", "hello"),
        ("plugin.removed", "hello"),
    ]
    from aexl.core.plugins.wheel import read_wheel

    assert events[0]["data"]["sha256"] == read_wheel(path).sha256
    assert events[0]["data"]["wheel"] == path.name


def test_without_a_ledger_it_is_installed_and_said_to_be_unrecorded(plugin, make_wheel, home):
    (home / "aexl.toml").write_text('[plugins]\noff = ["ledger"]\n')
    done = plugin("install", make_wheel())

    assert (done.code, "not recorded, for no plugin keeps a ledger" in done.out) == (0, True)


def test_a_ledger_that_cannot_be_had_is_said_too(plugin, make_wheel, home):
    (home / "aexl.toml").write_text('[plugins]\nrequire = ["gone"]\n')
    done = plugin("install", make_wheel())

    assert done.code == 0
    assert "not recorded in the ledger: plugin 'gone', [plugins] require: is required and off" in done.out
    assert "a server would not start" in plugin("list").err


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--sha256", "0" * 64], 2, "its SHA-256 is"),
        (["--sha256", "abc"], 2, "no SHA-256"),
        (["--sha256", "0" * 64, "--sha256", "0" * 64], 2, "is given 2 times for 1 wheels"),
    ],
)
def test_the_hash_is_checked(plugin, make_wheel, options, code, reason):
    done = plugin("install", make_wheel(), *options)

    assert (done.code, reason in done.err) == (code, True)


@pytest.mark.parametrize(
    ("what", "code", "reason"),
    [
        ("./nothing.whl", 4, "there is no file nothing.whl"),
        (".", 2, "is not a file"),
        ("a b c", 2, "neither a wheel's file, nor an address, nor a name"),
        ("http://example.com/hello-1.0-py3-none-any.whl", 2, "only https"),
    ],
)
def test_what_is_no_wheel_is_refused_with_an_exit_code(plugin, what, code, reason):
    done = plugin("install", what)

    assert (done.code, reason in done.err) == (code, True), done.err


def test_a_plugin_that_breaks_its_process_is_not_installed(plugin, make_wheel):
    done = plugin("install", make_wheel(files={"hello_plugin.py": "import os; os._exit(7)"}))

    assert (done.code, "exit code 7; it is not installed" in done.err) == (1, True)
    assert "hello" not in listed(plugin)


def test_what_is_required_must_be_there(plugin, make_wheel):
    done = plugin("install", make_wheel(requires=["needed"]))
    assert (done.code, "it needs needed, which is not there" in done.err) == (5, True)

    needed = make_wheel("needed", files={"needed.py": ""}, plugins={})
    assert plugin("install", make_wheel(requires=["needed"]), needed).code == 0


def test_disable_and_enable_keep_the_comments(plugin, make_wheel, home):
    plugin("install", make_wheel())
    (home / "aexl.toml").write_text("# mine\n[plugins]  # here\nrequire = []\n")
    assert plugin("disable", "hello").out == "disabled hello.\n"

    text = (home / "aexl.toml").read_text()
    assert text.startswith("# mine\n[plugins]  # here\n")
    row = listed(plugin)["hello"]
    assert (row["state"], row["reason"], row["hooks"]) == ("off", "switched off by [plugins] off", ["aexl_commands"])
    assert "switched off already" in plugin("disable", "hello").out
    assert plugin("enable", "hello").out == "enabled hello.\n"
    assert listed(plugin)["hello"]["state"] == "on"
    assert "not switched off" in plugin("enable", "hello").out


def test_a_built_in_plugin_can_be_switched_off_but_not_removed(plugin):
    assert plugin("disable", "echo").code == 0
    assert listed(plugin)["echo"]["state"] == "off"
    done = plugin("remove", "echo")
    assert (done.code, "'aexl plugin disable echo' will do" in done.err) == (5, True)


def test_what_the_configuration_requires_is_neither_removed_nor_switched_off(plugin, make_wheel, home):
    plugin("install", make_wheel())
    (home / "aexl.toml").write_text('[plugins]\nrequire = ["hello"]\n')

    for command in ("remove", "disable"):
        done = plugin(command, "hello")
        assert (done.code, "[plugins] require has it" in done.err) == (5, True)
    assert listed(plugin)["hello"]["state"] == "on"


def test_a_name_that_nobody_has_is_not_found_and_another_is_suggested(plugin):
    for command in ("info", "check", "remove", "enable", "disable"):
        done = plugin(command, "ecko")
        assert (done.code, "there is no plugin 'ecko'; did you mean 'echo'?" in done.err) == (4, True)


def test_a_plugin_of_the_environment_is_listed_and_pip_removes_it(plugin, tmp_path, monkeypatch):
    info = tmp_path / "site" / "beside-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: beside\nVersion: 1.0\nRequires-Dist: gone\n")
    (info / "entry_points.txt").write_text("[aexl.plugins]\nbeside = beside_plugin:Hello\n")
    (tmp_path / "site" / "beside_plugin.py").write_text("class Hello: pass\n")
    (info / "RECORD").write_text("beside_plugin.py,sha256=abc,1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    row = listed(plugin)["beside"]
    assert (row["origin"], row["state"]) == ("environment", "on")
    done = plugin("remove", "beside")
    assert (done.code, f"'{sys.executable} -m pip uninstall beside' removes it" in done.err) == (5, True)
    done = plugin("check", "beside")
    assert done.code == 1
    assert "beside_plugin.py changed" in done.out
    assert "it needs gone, which is not there" in done.out


def test_check_finds_all_well_and_exits_0(plugin, make_wheel):
    plugin("install", make_wheel())
    done = plugin("check")

    assert done.code == 0
    assert "hello 1.0: ok\n" in done.out
    assert "ledger" in done.out
    assert plugin("check", "hello", "--json").json() == [
        {"name": "hello", "version": "1.0", "state": "on", "problems": []}
    ]


def test_check_names_a_changed_file_and_exits_1(plugin, make_wheel, home):
    plugin("install", make_wheel())
    [path] = (home / "plugins" / "hello").glob("*/hello_plugin.py")
    path.write_text("raise SystemExit")
    done = plugin("check", "hello")

    assert (done.code, "hello_plugin.py changed; install it again" in done.out) == (1, True)
    assert "hello_plugin.py changed" in listed(plugin)["hello"]["reason"]


def test_check_survives_a_plugin_that_has_come_to_crash(plugin, make_wheel, tmp_path):
    path = tmp_path / "in-the-worker"
    source = (
        f"import os, sys\nif os.path.exists({str(path)!r}) and 'pytest' not in sys.modules: os._exit(4)\nHello = {{}}\n"
    )
    plugin("install", make_wheel(files={"hello_plugin.py": source}))
    path.touch()
    done = plugin("check", "hello")

    assert (done.code, done.out) == (1, "hello 1.0: it ended its process with exit code 4\n")


def test_check_does_not_load_what_is_switched_off(plugin, make_wheel, tmp_path):
    mark = tmp_path / "loaded"
    source = f"import pathlib\nclass Hello:\n    def __init__(self):\n        pathlib.Path({str(mark)!r}).touch()\n"
    plugin("install", make_wheel(files={"hello_plugin.py": source}))
    plugin("disable", "hello")
    mark.unlink()
    plugin("check")
    plugin("list")
    plugin("info", "hello")

    assert not mark.exists()


def test_info_shows_files_hash_and_source(plugin, make_wheel):
    path = make_wheel()
    plugin("install", path)
    facts = plugin("info", "hello", "--json").json()

    assert facts["source"] == path.name
    assert facts["object"] == "hello_plugin:Hello"
    assert len(facts["digest"]) == 64
    assert facts["wheels"][0].startswith(f"{path.name} sha256:")
    assert "hello_plugin:Hello" in plugin("info", "hello").out
    assert json.loads(plugin("info", "echo", "--json").out)["origin"] == "built-in"


def test_names_are_completed_without_loading_anything(plugin, make_wheel, home):
    plugin("install", make_wheel(files={"hello_plugin.py": "class Hello: pass"}))
    sys.modules.pop("hello_plugin", None)
    context = typer.Context(typer.main.get_command(app), obj=CommandSession(home))

    assert complete_name(context, "h") == ["hello"]
    assert complete_name(context, "e") == ["echo"]
    assert "hello_plugin" not in sys.modules


def test_an_installed_plugin_that_is_in_off_says_how_to_turn_it_on(plugin, make_wheel, home):
    (home / "aexl.toml").write_text('[plugins]\noff = ["hello"]\n')
    done = plugin("install", make_wheel())

    assert (done.code, "'aexl plugin enable hello' turns it on" in done.err) == (0, True)
