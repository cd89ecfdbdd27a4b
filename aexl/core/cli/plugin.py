"""``aexl plugin``: what is installed. What changes it is in ``plugin_change``."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import msgspec
import typer

from aexl.core.cli.conventions import JSON
from aexl.core.cli.plugin_change import disable, enable, install, remove
from aexl.core.cli.plugin_names import NAME, complete_name, known_source
from aexl.core.cli.plugin_new import new
from aexl.core.cli.plugin_project import build_wheel, run_tests
from aexl.core.config.own import PluginsSection
from aexl.core.plugins import PluginRecord, Source, find_sources
from aexl.core.plugins.lock import LockedPlugin, plugins_folder, read_lock
from aexl.core.session import CommandSession
from aexl.errors import AexlError, Unavailable

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Install, check and switch plugins; begin one.")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin as ``list`` shows it.

    Attributes:
        origin: ``built-in``, ``environment`` (installed with pip beside aexl) or ``wheel`` (by ``aexl plugin install``).
        reason: Why it is off.
    """

    name: str
    version: str
    origin: str
    distribution: str
    state: str
    reason: str | None
    hooks: tuple[str, ...]


@app.command("list", epilog="Example: aexl plugin list --json")
def list_plugins(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show every plugin: where it comes from, what it implements, whether it is on, and if not, why."""
    session: CommandSession = ctx.obj
    rows = [_row(record) for record in ask_all(session).values()]
    if as_json:
        session.json(rows)
        return
    table = [(row.name, row.version, _origin(row), _state(row), _short(row.hooks)) for row in rows]
    session.table(["NAME", "VERSION", "ORIGIN", "STATE", "HOOKS"], table)
    _say_what_waits(session)


@app.command(epilog="Example: aexl plugin info echo")
def info(ctx: typer.Context, name: str = NAME, as_json: bool = JSON) -> None:
    """Show what is known of one plugin: its files, requirements and hooks, when it was installed, and from what."""
    session: CommandSession = ctx.obj
    source = known_source(session, name)
    row = _row(ask_all(session)[source.name])
    facts: dict[str, object] = {**msgspec.to_builtins(row), "object": getattr(source.load, "value", None)}
    locked = _locked(session, source)
    if locked is None:
        facts |= {"requires": list(source.requires) if source.origin != "aexl" else []}
    else:
        facts |= _facts(session, locked)
    if as_json:
        session.json(facts)
    else:
        session.table(["", ""], [(key, _text(value)) for key, value in facts.items() if value not in (None, [], ())])


@app.command(epilog="Examples: aexl plugin check  ·  aexl plugin check my-plugin --json")
def check(
    ctx: typer.Context,
    name: str | None = typer.Argument(None, help="One plugin; all by default.", autocompletion=complete_name),
    as_json: bool = JSON,
) -> None:
    """Read every file of the plugins again, and try each in a process of its own. Exits 1 when something is wrong.

    Compares files with the lock file or with RECORD, evaluates requirements, loads the plugin, and asks its hooks.
    One that the configuration switches off is not loaded.
    """
    from aexl.core.config.loading import read_table
    from aexl.core.plugins.checking import check_plugins

    session: CommandSession = ctx.obj
    sources = find_sources(session.home) if name is None else [known_source(session, name)]
    prefer = read_table("plugins", PluginsSection, home=session.home, flags={}).prefer
    found = []
    for checked in check_plugins(session.home, sources, session.surroundings.plugins.records, prefer=prefer):
        found.append(checked)
        if not as_json:
            verdict = "; ".join(checked.problems) or ("ok" if checked.state == "on" else "ok, switched off")
            sys.stdout.write(f"{checked.name} {checked.version}: {verdict}\n")
            sys.stdout.flush()
    if as_json:
        session.json(found)
    if any(checked.problems for checked in found):
        raise typer.Exit(1)


app.command(
    epilog="Examples: aexl plugin install hello-1.0-py3-none-any.whl  ·  aexl plugin install hello-1.0-py3-none-any.whl needed-2.1-py3-none-any.whl  ·  "
    "aexl plugin install https://example.com/hello-1.0-py3-none-any.whl --sha256 2cf24dba…"
)(install)
app.command(epilog="Example: aexl plugin remove hello")(remove)
app.command(epilog="Example: aexl plugin enable echo")(enable)
app.command(epilog="Example: aexl plugin disable echo")(disable)
app.command(epilog="Examples: aexl plugin new hello  ·  aexl plugin new doorman --kind admission")(new)
app.command("test", epilog="Examples: aexl plugin test  ·  aexl plugin test --folder hello -- -k name")(run_tests)
app.command("wheel", epilog="Example: aexl plugin wheel --folder hello")(build_wheel)


def ask_all(session: CommandSession) -> Mapping[str, PluginRecord]:
    """Ask every hook of every plugin, as a start does, and return what became of them."""
    from aexl.core.host import LocalHost

    try:
        LocalHost(session.surroundings)
    except AexlError as error:
        sys.stderr.write(f"aexl: a server would not start: {error}\n")
    return session.surroundings.plugins.records


def _row(record: PluginRecord) -> Row:
    origin = "built-in" if record.built_in else "wheel" if record.place == "folder" else "environment"
    return Row(
        name=record.name,
        version=record.version,
        origin=origin,
        distribution=record.origin,
        state="on" if record.reason is None else "off",
        reason=record.reason,
        hooks=record.hooks,
    )


def _origin(row: Row) -> str:
    return row.origin if row.origin == "built-in" else f"{row.origin} {row.distribution}"


def _state(row: Row) -> str:
    return row.state if row.reason is None else f"off: {row.reason}"


def _short(hooks: tuple[str, ...]) -> str:
    return " ".join(hook.removeprefix("aexl_") for hook in hooks)


def _text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _locked(session: CommandSession, source: Source) -> LockedPlugin | None:
    from aexl.core.plugins.folders import find

    if source.place != "folder":
        return None
    try:
        return find(read_lock(plugins_folder(session.home)), source.name)
    except Unavailable:
        return None  # the row says so already


def _facts(session: CommandSession, plugin: LockedPlugin) -> dict[str, object]:
    return {
        "folder": str(plugins_folder(session.home) / plugin.folder),
        "files": len(plugin.files),
        "bytes": sum(file.size for file in plugin.files.values()),
        "digest": plugin.digest,
        "python": plugin.python,
        "installed": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(plugin.installed)),
        "source": plugin.source,
        "wheels": [f"{wheel.file} sha256:{wheel.sha256}" for wheel in plugin.wheels],
        "requires": list(plugin.requires),
    }


def _say_what_waits(session: CommandSession) -> None:
    """Name what was installed since the running server started."""
    from aexl.core.cli.plugin_change import server_start

    since = server_start(session)
    try:
        lock = read_lock(plugins_folder(session.home))
    except Unavailable:
        return  # the list says so already
    later = [plugin.name for plugin in lock.plugins.values() if since is not None and plugin.installed >= since]
    if later:
        sys.stderr.write(f"The running server started before {', '.join(later)}: that counts from its next start.\n")
