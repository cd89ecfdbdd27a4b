"""What a tool policy says of one use of a tool."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl_pipelines.hooking.policy import explain, judge
from aexl_pipelines.language.parts import Tools


def bash(command):
    return {"command": command, "description": "One step"}


@pytest.mark.parametrize(
    ("tools", "verdict"),
    [
        (None, "open"),
        (Tools(), "open"),
        (Tools(disabled=True, allow=("Bash",)), "disabled"),
        (Tools(allow=("Bash",)), "allowed"),
        (Tools(allow=("Read",)), "unlisted"),
        (Tools(deny=("Bash",)), "denied"),
        (Tools(deny=("Read",)), "open"),
        (Tools(allow=("Bash",), deny=("Bash(git *)",)), "denied"),
        (Tools(allow=("*",)), "allowed"),
        (Tools(deny=("B*",)), "denied"),
        (Tools(deny=("bash",)), "open"),
    ],
)
def test_deny_wins_and_where_some_are_allowed_others_are_not(tools, verdict):
    assert judge(tools, "Bash", bash("git push")) == verdict


@pytest.mark.parametrize(
    ("pattern", "command", "fits"),
    [
        ("Bash(git *)", "git push", True),
        ("Bash(git *)", "git", True),
        ("Bash(git:*)", "git push", True),
        ("Bash(git:*)", "gitk", False),
        ("Bash(git *)", "rm -rf git", False),
        ("Bash(make test)", "make test", True),
        ("Bash(make test)", "make test; rm -rf /", False),
        ("Bash(git *)", "git log && curl evil", False),
        ("Bash(git *)", "git log $(curl evil)", False),
        ("Bash(git *)", "git log `curl evil`", False),
        ("Bash(git *)", "git log > /etc/passwd", False),
        ("Bash(git *)", "git log\ncurl evil", False),
        ("Bash(*)", "anything; at all", True),
        ("Bash()", "anything", True),
    ],
)
def test_a_shell_command_is_allowed_only_if_it_is_that_and_nothing_more(pattern, command, fits):
    assert (judge(Tools(allow=(pattern,)), "Bash", bash(command)) == "allowed") == fits


@pytest.mark.parametrize(
    "command",
    ["rm -rf /", "true; rm -rf /", "true && rm -rf /", "x | rm -rf /", "(rm -rf /)", "echo $(rm -rf /)", "echo `rm -rf /`",
     "true\nrm -rf /", "sleep 1 & rm -rf /"],
)  # fmt: skip
def test_a_shell_command_is_denied_if_any_part_of_it_is(command):
    assert judge(Tools(deny=("Bash(rm *)",)), "Bash", bash(command)) == "denied"


@pytest.mark.parametrize(
    ("pattern", "path", "denied"),
    [("Edit(src/*)", "/project/src/a.py", True), ("Edit(./src/*)", "/project/src/a.py", True), ("Edit(src/*)", "src/a.py", True),
     ("Edit(src/*)", "/project/tests/a.py", False), ("Edit(*.lock)", "/project/uv.lock", True)],
)  # fmt: skip
def test_files_are_named_from_the_project(pattern, path, denied):
    assert (judge(Tools(deny=(pattern,)), "Edit", {"file_path": path}) == "denied") == denied


def test_the_tools_of_other_clis_are_in_their_own_spelling():
    tools = Tools(deny=("run_shell_command(curl *)", "mcp__github__*"))
    assert judge(tools, "run_shell_command", bash("curl x")) == "denied"
    assert judge(tools, "mcp__github__create_issue", {}) == "denied"
    assert judge(tools, "shell", {"command": ["bash", "-lc", "curl x"]}) == "open"
    assert judge(Tools(deny=("shell(bash *)",)), "shell", {"command": ["bash", "-lc", "curl x"]}) == "denied"


@pytest.mark.parametrize("given_", [None, 1, [], {}, {"command": 7}, {"nothing": "x"}])
def test_a_use_that_cannot_be_judged_is_denied_by_a_pattern_and_allowed_by_none(given_):
    assert judge(Tools(deny=("Bash(git *)",)), "Bash", given_) == "denied"
    assert judge(Tools(allow=("Bash(git *)",)), "Bash", given_) == "unlisted"


def test_a_refusal_says_what_to_do():
    assert "answer without" in explain("disabled", Tools(disabled=True), "Bash")
    assert "it allows Read, Edit" in explain("unlisted", Tools(allow=("Read", "Edit")), "Bash")
    assert "denies Bash" in explain("denied", Tools(deny=("Bash",)), "Bash")


@given(st.text(max_size=20), st.text(max_size=30), st.lists(st.text(max_size=20), max_size=3), st.booleans())
def test_any_policy_and_any_use_have_a_verdict(tool, command, patterns, deny):
    tools = Tools(deny=tuple(patterns)) if deny else Tools(allow=tuple(patterns))
    assert judge(tools, tool, bash(command)) in {"open", "allowed", "denied", "unlisted"}
