"""The pages for plugin authors say what is there, and what they show works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "testing.md"
HOW_TO = ROOT / "docs" / "how-to" / "write-a-plugin.md"


def test_every_suite_is_on_the_page_and_every_name_of_the_page_is_there():
    text = PAGE.read_text()
    sources = "".join(path.read_text() for path in (ROOT / "aexl" / "testing").glob("*.py"))
    assert set(re.findall(r"^\| `(\w+Conformance)`", text, re.MULTILINE)) == set(
        re.findall(r"^class (\w+Conformance)\b", sources, re.MULTILINE)
    )
    rows = re.findall(r"^\| (`.+?) \| `(aexl\.testing\.\w+)` \|", text, re.MULTILINE)
    assert len(rows) > 10
    for names, module in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(import_module(module), name), f"{module} has no {name}"


@pytest.mark.slow
def test_the_example_of_the_page_passes(tmp_path):
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "test_example.py").write_text(code)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\nfilterwarnings = error\n")
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "aexl.testing.plugin", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout


@pytest.mark.slow
def test_the_how_to_leads_from_nothing_to_an_installed_wheel(tmp_path):
    first, *_ = re.findall(r"```console\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    script = "set -e\n" + "\n".join(line.removeprefix("$ ") for line in first.splitlines())
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    ran = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^hello +0\.1\.0 .* on ", ran.stdout, re.MULTILINE)
