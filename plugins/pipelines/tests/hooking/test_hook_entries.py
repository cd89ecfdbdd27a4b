"""Hooks in settings files: put in once, found, taken out without a trace."""

from __future__ import annotations

import json
import stat

import pytest

from aexl.errors import Invalid, NotFound, Unavailable
from aexl_pipelines.hooking.dialects import DIALECTS, dialect_of, moment_of, read_call
from aexl_pipelines.hooking.entries import HookOptions, found, put_in, take_out
from aexl_pipelines.hooking.installing import SettingsFile

OPTIONS = HookOptions(pipeline="./my gates.yaml", on_gate="reject", wait=5)
MINE = {"hooks": [{"type": "command", "command": "mine.sh"}]}
CLIS = list(DIALECTS.values())


@pytest.fixture(params=CLIS, ids=[dialect.name for dialect in CLIS])
def dialect(request):
    return request.param


def install(text, dialect, options=OPTIONS, program=("aexl",)):
    return put_in(text, dialect, program, options, "settings.json")


def settings(dialect, **more):
    return json.dumps({"model": "x", "hooks": {dialect.events["stop"]: [MINE], "Other": [MINE]}, **more}, indent=2)


def test_each_moment_has_a_line_that_starts_us(dialect):
    hooks = json.loads(install("", dialect))["hooks"]
    prompt, tool, stop = dialect.events.values()
    assert set(hooks) == {prompt, tool, stop}
    [hook] = hooks[stop][0]["hooks"]
    assert hook["command"] == (
        f"aexl pipeline hook run {stop} --for {dialect.name} --pipeline './my gates.yaml' --on-gate reject --wait 5"
    )
    assert hook["timeout"] == 1830 * dialect.unit
    assert hooks[tool][0]["hooks"][0]["timeout"] == 65 * dialect.unit


def test_what_a_person_has_stays_and_comes_back_byte_for_byte(dialect):
    text = settings(dialect)
    added = install(text, dialect)
    assert json.loads(added)["hooks"][dialect.events["stop"]][0] == MINE
    assert json.loads(added)["hooks"]["Other"] == [MINE]
    assert take_out(added, dialect, "f") == text


def test_installing_again_changes_nothing_and_with_other_options_replaces(dialect):
    once = install(settings(dialect), dialect)
    assert install(once, dialect) == once
    other = install(once, dialect, HookOptions(rounds=9))
    assert {moment: len(lines) for moment, lines in found(other, dialect, "f").items()} == {
        "prompt": 1,
        "tool": 1,
        "stop": 1,
    }
    assert "--rounds 9" in other
    assert "my gates" not in other


@pytest.mark.parametrize("text", ["{}\n", '{\n  "model": "x"\n}\n', '{"hooks": {"Other": []}}'])
def test_nothing_of_ours_is_left_behind(dialect, text):
    assert take_out(install(text, dialect), dialect, "f") == text


def test_a_group_that_somebody_has_added_to_keeps_what_is_theirs(dialect):
    document = json.loads(install("", dialect))
    document["hooks"][dialect.events["stop"]][0]["hooks"].append({"type": "command", "command": "mine.sh"})
    left = json.loads(take_out(json.dumps(document), dialect, "f"))
    assert left == {"hooks": {dialect.events["stop"]: [MINE]}}


@pytest.mark.parametrize(
    "hooks",
    [[], {"Stop": 1}, {"Stop": [1, {"hooks": 2}, {"hooks": [3, {"command": 4}]}]}],
    ids=["list", "number", "deep"],
)
def test_settings_of_any_shape_are_looked_at_without_harm(hooks):
    text = json.dumps({"hooks": hooks})
    assert found(text, DIALECTS["claude"], "f") == {}
    assert take_out(text, DIALECTS["claude"], "f") == text


def test_the_settings_are_where_the_cli_looks(tmp_path):
    home = {"HOME": "/home/me"}
    places = {name: str(each.settings("user", tmp_path, home)) for name, each in DIALECTS.items()}
    assert places == {
        "claude": "/home/me/.claude/settings.json",
        "codex": "/home/me/.codex/hooks.json",
        "gemini": "/home/me/.gemini/settings.json",
    }
    moved = {"HOME": "/home/me", "CLAUDE_CONFIG_DIR": "/c", "CODEX_HOME": "/x", "GEMINI_CLI_HOME": "/g"}
    places = {name: str(each.settings("user", tmp_path, moved)) for name, each in DIALECTS.items()}
    assert places == {"claude": "/c/settings.json", "codex": "/x/hooks.json", "gemini": "/g/.gemini/settings.json"}
    assert DIALECTS["codex"].settings("project", tmp_path, moved) == tmp_path / ".codex" / "hooks.json"


def test_a_file_is_replaced_whole_with_its_mode_and_where_a_link_leads(tmp_path, dialect):
    real = tmp_path / "dotfiles" / "settings.json"
    real.parent.mkdir()
    real.write_text('{"a": 1}')
    real.chmod(0o600)
    link = tmp_path / "settings.json"
    link.symlink_to(real)

    file = SettingsFile(link)
    file.install(dialect, ["aexl"], OPTIONS)
    assert "+" in file.diff()
    file.write()
    assert link.is_symlink()
    assert json.loads(real.read_text())["a"] == 1
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert [path.name for path in real.parent.iterdir()] == ["settings.json"]

    again = SettingsFile(link)
    again.install(dialect, ["aexl"], OPTIONS)
    assert not again.changed
    again.remove(dialect)
    again.write()
    assert real.read_text() == '{"a": 1}'


def test_a_file_that_has_held_nothing_else_goes(tmp_path):
    path = tmp_path / ".codex" / "hooks.json"
    file = SettingsFile(path)
    file.install(DIALECTS["codex"], ["aexl"], OPTIONS)
    file.write()
    assert path.exists()
    file = SettingsFile(path)
    file.remove(DIALECTS["codex"])
    file.write()
    assert not path.exists()


def test_a_change_by_somebody_else_is_not_overwritten(tmp_path):
    path = tmp_path / "settings.json"
    file = SettingsFile(path)
    file.install(DIALECTS["claude"], ["aexl"], OPTIONS)
    path.write_text('{"theirs": 1}')
    with pytest.raises(Unavailable, match="by somebody else"):
        file.write()
    assert path.read_text() == '{"theirs": 1}'


def test_names_that_are_none_are_said(dialect):
    with pytest.raises(NotFound, match="claude, codex, gemini"):
        dialect_of("opencode")
    with pytest.raises(Invalid, match=dialect.events["stop"]):
        moment_of(dialect, "SessionStart")
    assert moment_of(dialect, dialect.events["tool"]) == "tool"


def test_what_a_cli_tells_is_read_and_nonsense_refused():
    call = read_call(
        b'{"session_id":"s","cwd":"/w","prompt":"Do it.","prompt_response":"Done.","stop_hook_active":true,"x":1}'
    )
    assert (call.session, call.said, call.active, call.tool) == ("s", "Done.", True, "")
    for data in (b"", b"[]", b'{"stop_hook_active": 1}'):
        with pytest.raises(Invalid):
            read_call(data)
