"""What a command imports: what it needs, and what others need not."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import typer

from aexl_snapshots.cli.root import MODULES, app, remote_app

pytestmark = pytest.mark.slow

HEAVY = ("trio", "aexl_snapshots.cli.history", "aexl_snapshots.cli.pulling", "http.client", "importlib.metadata")


def name_of(command):
    return command.name or command.callback.__name__


def test_every_command_is_where_the_table_says():
    for module in sorted(set(MODULES.values())):
        import_module(f"aexl_snapshots.cli.{module}")
    found = {name_of(each): each.callback.__module__.rpartition(".")[2] for each in app.registered_commands}
    assert found | {"remote": "remotes"} == dict(MODULES)
    assert {name_of(each) for each in remote_app.registered_commands} == {"add", "list", "remove"}


def test_help_lists_all_commands_and_a_wrong_word_finds_the_right_one():
    from typer.testing import CliRunner

    listed = CliRunner().invoke(app, ["--help"]).output
    assert all(f" {name} " in listed for name in MODULES)
    assert "Did you mean 'commit'" in CliRunner().invoke(app, ["comit"]).output
    assert set(typer.main.get_command(app).commands) == set(MODULES)


@pytest.mark.parametrize("words", [["commit", "-m", "one", "--allow-empty"], ["status"], ["check", "--read-data"]])
def test_local_commands_need_neither_a_loop_nor_other_plugins(tmp_path, words):
    def run(*arguments):
        code = (
            "import sys\nfrom aexl.__main__ import main\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
            "sys.stderr.write('\\n'.join(sys.modules))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, "snapshot", *arguments],
            cwd=tmp_path,
            env={"AEXL_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        return set(ran.stderr.splitlines())

    run("init")
    imported = run(*words)
    assert imported & {name for name in HEAVY if name} == set()
    assert {name for name in imported if name.endswith(".plugin") and name.startswith("aexl_")} == {
        "aexl_snapshots.plugin"
    }
