"""``.env``: what it says, and who may read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api.keys import find_key, parse_env
from aexl.errors import Invalid


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=abc", "abc"),
        ("  export KEY = abc  ", "abc"),
        ("KEY=abc # a comment", "abc"),
        ("KEY=abc#no-comment", "abc#no-comment"),
        ("KEY=", ""),
        ("KEY='a # b'", "a # b"),
        ('KEY="a\\n\\"b\\" \\$c \\x"', 'a\n"b" $c \\x'),
        ("KEY='a\\n'", "a\\n"),
        ('KEY="abc"  # a comment', "abc"),
        ("KEY=a=b", "a=b"),
    ],
)
def test_a_line_has_this_value(line: str, value: str) -> None:
    assert parse_env(f"# first\n\n{line}\n") == {"KEY": value}


def test_the_last_of_equal_names_wins() -> None:
    assert parse_env("A=1\r\nA=2\r\n") == {"A": "2"}


@pytest.mark.parametrize("line", ["abc", "1A=x", "A B=x", 'A="x', "A='x' y", "=x"])
def test_another_line_is_named_by_its_number_and_without_its_value(line: str) -> None:
    with pytest.raises(Invalid, match="line 2") as caught:
        parse_env(f"OK=1\n{line}")
    assert "x" not in str(caught.value)


@given(st.text(st.characters(exclude_characters="'\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")))
def test_single_quotes_keep_everything(value: str) -> None:
    assert parse_env(f"A='{value}'") == {"A": value}


def write(home: Path, mode: int, text: str = "KEY=from-file\n") -> Path:
    path = home / ".env"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_wins_and_the_file_is_then_not_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path, 0o644)
    assert find_key("KEY", {"KEY": "from-environment"}, path) == "from-environment"


def test_the_file_is_read_where_the_environment_has_nothing(tmp_path: Path) -> None:
    assert find_key("KEY", {"KEY": ""}, write(tmp_path, 0o600)) == "from-file"


def test_a_key_that_is_nowhere_is_none(tmp_path: Path) -> None:
    assert find_key("KEY", {}, tmp_path / ".env") is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Invalid, match="chmod 600"):
        find_key("KEY", {}, write(tmp_path, mode))


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        find_key("KEY", {"KEY": "secret\nx"}, tmp_path / ".env")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 0o600)
    path.write_bytes(b"KEY=\xff")
    with pytest.raises(Invalid, match="UTF-8"):
        find_key("KEY", {}, path)
