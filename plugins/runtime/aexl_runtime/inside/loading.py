"""Importing a project: entry point, contracts, and how long it took."""

from __future__ import annotations

import os
import sys
from time import perf_counter

from aexl.sdk.contracts import validate_contracts
from aexl.sdk.registry import reset_registry
from aexl_runtime.protocol.failures import fail

ENTRY = "entry_point"


def prepare_imports(root: str, *, compat: bool) -> None:
    """Make the project importable: first on the path, for as long as the process lives, and without bytecode files."""
    sys.dont_write_bytecode = True
    if root not in sys.path:
        sys.path.insert(0, root)
    os.chdir(root)
    if compat:
        from aexl_runtime.inside.compat import install_shim

        install_shim()


def load_project(root: str, *, action: str) -> dict[str, int]:
    """Import the entry point and check its contracts; ``execute`` imports what it names instead, when it calls it.

    Returns:
        Milliseconds, as the log has them.

    Raises:
        BaseException: Whatever the project raises.
    """
    reset_registry()
    if action == "execute":
        return {}
    before = perf_counter()
    if not os.path.isfile(os.path.join(root, f"{ENTRY}.py")):
        raise fail("load", f"{ENTRY}.py is not there any more")
    __import__(ENTRY)
    imported = perf_counter()
    validate_contracts()
    ended = perf_counter()
    return {
        "import_ms": int((imported - before) * 1000),
        "validate_ms": int((ended - imported) * 1000),
    }
