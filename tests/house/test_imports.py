"""Who may import what (DESIGN section 1), read from the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/aexl_*"))
PUBLIC = {"aexl.api", "aexl.errors", "aexl.hookspecs", "aexl.sdk"}
PURE = [
    "aexl/api/body.py",
    "aexl/api/money.py",
    "aexl/api/sse.py",
    "aexl/core/calls/charge.py",
    "aexl/core/calls/estimate.py",
    "plugins/cassettes/aexl_cassettes/normal.py",
    "plugins/cassettes/aexl_cassettes/tape.py",
    "plugins/telemetry/aexl_telemetry/answers.py",
    "plugins/telemetry/aexl_telemetry/protobuf.py",
    "plugins/telemetry/aexl_telemetry/spans.py",
    "plugins/ledger/aexl_ledger/chain.py",
    "plugins/ledger/aexl_ledger/state.py",
    "plugins/ledger/aexl_ledger/fold.py",
]


def imports(path: Path, *, top: bool = False) -> Iterator[str]:
    """Yield the modules that a file imports; with ``top``, only when it is itself imported."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not (top and (deferred or typing_only)):
            pending += ast.iter_child_nodes(node)


def sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts)


def root(module: str) -> str:
    return module.partition(".")[0]


def third_parties(path: Path, *, top: bool) -> set[str]:
    return {root(m) for m in imports(path, top=top)} - set(sys.stdlib_module_names) - {"aexl", ""}


@pytest.mark.parametrize("path", sources("aexl/api"), ids=str)
def test_the_api_needs_only_the_standard_library_and_msgspec(path):
    assert third_parties(path, top=True) <= {"msgspec"}
    ours = {module for module in imports(path, top=True) if root(module) == "aexl"}
    assert all(module.startswith(("aexl.api", "aexl.errors")) for module in ours)


@pytest.mark.parametrize("path", sources("aexl"), ids=str)
def test_the_host_imports_no_plugin(path):
    assert not {module for module in imports(path) if root(module).startswith("aexl_")}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_imports_the_public_parts_and_itself(plugin):
    [folder] = ROOT.glob(f"plugins/{plugin}/aexl_*")
    for path in sources(f"plugins/{plugin}"):
        ours = {module for module in imports(path) if root(module).startswith("aexl")}
        strange = {
            module
            for module in ours
            if root(module) != folder.name and not any(module == p or module.startswith(p + ".") for p in PUBLIC)
        }
        assert not strange, f"{path.relative_to(ROOT)} imports {strange}"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_module_imports_nothing_heavy(plugin):
    [path] = ROOT.glob(f"plugins/{plugin}/aexl_*/plugin.py")
    assert third_parties(path, top=True) <= {"msgspec", path.parent.name}


@pytest.mark.parametrize("name", PURE)
def test_pure_logic_knows_no_loop_and_no_network(name):
    assert not third_parties(ROOT / name, top=False) & {"trio", "httpx", "apsw", "httptools"}


def test_tests_are_not_imported_by_the_product():
    for folder in ("aexl/api", "aexl/core", "plugins"):
        for path in sources(folder):
            assert not any(module.startswith("aexl.testing") for module in imports(path)), path
