"""What the common commands import: each in a process of its own, with a home that has a ledger and no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

WATCHED = frozenset(
    {
        "apsw", "asyncio", "cryptography", "ctypes", "httptools", "httpx", "msgspec", "multiprocessing", "packaging",
        "pluggy", "pygments", "rich", "ruamel", "starlette", "tomlkit", "trio", "typer",
    }
)  # fmt: skip

OBSERVE = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv[0] = "aexl"
from aexl.__main__ import main
main()
"""

LINE = {"msgspec", "pluggy", "typer"}
"""What the command line itself needs."""

DECLARE = """
import json, sys
from importlib.metadata import entry_points
for point in entry_points(group="aexl.plugins"):
    if point.dist.name == "aexl":
        plugin = point.load()()
        plugin.aexl_config(), plugin.aexl_commands()
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
"""What it takes to know the tables and the commands of all plugins."""

EXPECTED = {
    "--version": (set(), set()),
    "--help": (LINE, set()),
    "": (LINE, set()),
    "agent list": (LINE | {"apsw", "rich"}, {"ledger"}),
    "agent list --json": (LINE | {"apsw"}, {"ledger"}),
    "agent inspect alice": (LINE | {"apsw"}, {"ledger"}),
    "agent --help": (LINE, {"ledger"}),
    "config path": (LINE, set()),
    "daemon status": (LINE, set()),
    "ledger show": (LINE | {"apsw"}, {"ledger"}),
    "run --help": (LINE, set()),
    "serve --help": (LINE, set()),
    "version": (LINE | {"apsw"}, set()),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imports") / "home"
    run(folder, "agent", "create", "alice", "5")
    return folder


def run(home, *arguments, **environ):
    """Run a command and return the modules that were imported in the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AEXL_", "_AEXL_"))}
    command = [sys.executable, "-P", "-c", OBSERVE, *arguments]
    ran = subprocess.run(
        command,
        env=kept | {"AEXL_HOME": str(home)} | environ,
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(ran.stderr.splitlines()[-1])


def watched(modules):
    return {module for module in modules if module in WATCHED}


@pytest.fixture(scope="module")
def declared():
    """Return the modules that declare the tables and the commands of all plugins."""
    ran = subprocess.run([sys.executable, "-P", "-c", DECLARE], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stderr))


def plugins(modules, declared):
    """Return the plugins of which more was imported than what declares its tables and commands."""
    found = (module.split(".")[0] for module in modules if module.startswith("aexl_") and module not in declared)
    return {name.removeprefix("aexl_") for name in found}


@pytest.mark.slow
def test_declaring_tables_and_commands_imports_nothing_large(declared):
    assert watched(declared) <= LINE


@pytest.mark.slow
@pytest.mark.parametrize("command", EXPECTED)
def test_a_common_command_imports_exactly_what_it_uses(command, home, declared):
    modules = run(home, *command.split())

    assert (watched(modules), plugins(modules, declared)) == EXPECTED[command]


@pytest.mark.slow
def test_completion_imports_what_the_command_line_needs_and_nothing_more(home, declared):
    modules = run(home, _AEXL_COMPLETE="complete_bash", COMP_WORDS="aexl ", COMP_CWORD="1")

    assert (watched(modules), plugins(modules, declared)) == (LINE, set())


@pytest.mark.slow
def test_looking_at_agents_imports_no_other_plugins_work_and_of_the_ledger_not_the_writer(home):
    modules = set(run(home, "agent", "list"))

    assert {module for module in modules if module.startswith("aexl_ledger.")}.isdisjoint(
        {"aexl_ledger.writer", "aexl_ledger.assembly", "aexl_ledger.routes", "aexl_ledger.book", "aexl_ledger.sqlite"}
    )
    assert modules.isdisjoint({"aexl_catalog.catalog", "aexl_policy.gate", "aexl_proxy.app"})
