"""``aexl __worker__ SCRIPT`` and ``aexl __worker__ -m MODULE``: the executable as a Python for its own children.

Nothing of the command line is imported, and nothing that the code does not import itself.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path


def run_worker(words: Sequence[str]) -> None:
    """Run a script or a module as ``__main__``, with ``sys.argv`` and ``sys.path`` as Python has them."""
    match words:
        case ["-m", module, *arguments]:
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *_] if not script.startswith("-"):
            path = Path(script)
            if not path.exists():
                sys.exit(f"aexl: there is no script {script!r}")
            sys.argv = list(words)
            sys.path.insert(0, str(path.resolve().parent))
            runpy.run_path(script, run_name="__main__")
        case _:
            sys.stderr.write("aexl: __worker__ takes SCRIPT [ARGUMENTS...] or -m MODULE [ARGUMENTS...]\n")
            sys.exit(2)
