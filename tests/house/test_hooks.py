"""Every hook has its documentation, its page and its test."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from aexl import hookspecs
from aexl.core.host import HOOKS_WITH_HOST
from aexl.core.registry import HOOKS
from aexl.hookspecs import Plugin

ROOT = Path(__file__).parents[2]
NAMES = [name for name in vars(Plugin) if name.startswith("aexl_")]


@pytest.mark.parametrize("name", NAMES)
def test_a_hook_has_a_page_with_its_exact_signature_and_words(name):
    page = (ROOT / "docs/reference/hooks" / f"{name}.md").read_text()
    source = inspect.getsource(hookspecs)
    signature = re.search(rf"def ({name}\(.*?\) -> .*?):\n", source)

    assert f"```text\n{signature[1]}\n```" in page
    assert inspect.cleandoc(getattr(Plugin, name).__doc__) in page


@pytest.mark.parametrize("name", NAMES)
def test_a_hook_has_a_test_file_of_its_own(name):
    assert (ROOT / "tests/hooks" / f"test_hook_{name.removeprefix('aexl_')}.py").is_file()


def test_there_is_no_page_or_test_without_its_hook():
    pages = {path.stem for path in (ROOT / "docs/reference/hooks").glob("*.md")}
    tests = {path.stem.replace("test_hook_", "aexl_") for path in (ROOT / "tests/hooks").glob("test_*.py")}

    assert pages == tests == set(NAMES)


def test_the_host_asks_every_hook():
    asked = {"aexl_config", "aexl_commands", "aexl_wrap_provider", *HOOKS_WITH_HOST}

    assert asked == set(NAMES)
    assert set(HOOKS) == set(NAMES) - {"aexl_wrap_provider"}
