from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession
from aexl_policy.plugin import PolicyPlugin

POLICY = """
def evaluate(call):
    if call.agent == "intern":
        return "interns may not"
    if call.output_limit is None:
        return {"patch": {"max_output_tokens": 100}}
    if "boom" in call.model:
        raise KeyError
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "b.py").write_text(POLICY)
    (tmp_path / "policies" / "a.py").write_text("def evaluate(call)\n")
    return tmp_path


def run(home: Path, *arguments: str):
    (command,) = PolicyPlugin().aexl_commands()
    return CliRunner().invoke(command.load(), arguments, obj=FakeSession(FakeHost(home)))


def test_policies_are_listed_in_order_with_what_is_wrong(home: Path) -> None:
    result = run(home, "list", "--json")
    rows = msgspec.json.decode(result.stdout)
    assert [row["name"] for row in rows] == ["a.py", "b.py"]
    assert "a.py:1" in rows[0]["problem"]
    assert rows[1]["problem"] is None
    assert run(home, "list").exit_code == 0


@pytest.mark.parametrize(
    ("call", "code", "says"),
    [
        ({"agent": "intern"}, 1, "denied: interns may not"),
        ({}, 0, "allowed, with max_output_tokens = 100"),
        ({"output_limit": 5, "body": {"model": "m"}}, 0, "allowed"),
        (
            {"output_limit": 5, "body": {"model": "boom"}},
            1,
            "denied: policy 'b.py' failed: it raised KeyError in line 8",
        ),
    ],
)
def test_a_policy_is_tried_on_a_call(home: Path, call: object, code: int, says: str) -> None:
    (home / "call.json").write_bytes(msgspec.json.encode(call))
    result = run(home, "test", str(home / "policies" / "b.py"), "--call", str(home / "call.json"))
    assert (result.exit_code, result.stdout) == (code, says + "\n")


def test_the_verdict_can_be_had_as_json(home: Path) -> None:
    (home / "call.json").write_text("{}")
    result = run(home, "test", str(home / "policies" / "b.py"), "--call", str(home / "call.json"), "--json")
    assert msgspec.json.decode(result.stdout) == {"allowed": True, "reason": None, "patch": {"max_output_tokens": 100}}


@pytest.mark.parametrize(
    ("file", "call", "says"),
    [
        ("missing.py", "{}", "there is no policy file"),
        ("b.py", None, "there is no file"),
        ("b.py", '{"agnet": "a"}', "is not a call"),
        ("a.py", "{}", "SyntaxError"),
    ],
)
def test_what_is_wrong_is_told(home: Path, file: str, call: str | None, says: str) -> None:
    if call is not None:
        (home / "call.json").write_text(call)
    result = run(home, "test", str(home / "policies" / file), "--call", str(home / "call.json"))
    assert says in str(result.exception)
