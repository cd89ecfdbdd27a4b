"""A run from nothing is mostly imports: those that would cost as much as the run stay out of it."""

import json
import os
import re
import subprocess
import sys

import pytest

DEAR = {"aexl.api", "argparse", "dataclasses", "importlib.abc", "inspect", "msgspec", "pathlib", "secrets", "shutil"}
DEAR |= {"subprocess", "tempfile", "trio", "typing_extensions", "urllib.parse", "uuid"}

IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| *(\S+)$", re.MULTILINE)


@pytest.mark.slow
def test_neither_the_runner_nor_its_worker_imports_what_is_dear(tmp_path):
    (tmp_path / "entry_point.py").write_text('from aiel_sdk import tool\n@tool("t")\ndef t(ctx, payload): return 1\n')
    command = [sys.executable, "-X", "importtime", "-m", "aexl_runtime.runner", "--aiel-compat"]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AEXL_HOME": str(tmp_path),
        "EP_FILES_ROOT": str(tmp_path),
    }
    for _ in range(2):  # the first one finds out what the machine can do, and keeps it
        done = subprocess.run(
            command,
            input='{"action": "invoke", "kind": "tool", "handler": "t"}',
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
    printed = [record["fields"].get("text", "") for record in json.loads(done.stdout)["meta"]["logs"]]
    outside, inside = (set(IMPORTED.findall(text)) for text in (done.stderr, "\n".join(printed)))
    assert "aexl_runtime.local" in outside
    assert "aexl_runtime.inside.acting" in inside
    assert not (outside | inside) & DEAR
