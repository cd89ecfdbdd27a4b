"""``aexl plugin install``, ``remove``, ``enable`` and ``disable``."""

from __future__ import annotations

import functools
import sys
import tempfile
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from aexl.api import Host, Journal, Receipt
from aexl.core.cli.plugin_names import NAME, known_source
from aexl.core.config.loading import read_table
from aexl.core.config.own import PluginsSection
from aexl.core.session import CommandSession
from aexl.errors import AexlError, Conflict

if TYPE_CHECKING:
    from aexl.core.plugins.lock import LockedPlugin
    from aexl.core.plugins.wheel import Wheel

NEXT_START = "The running server has this from its next start: 'aexl daemon stop', 'aexl daemon start'.\n"


def install(
    ctx: typer.Context,
    what: list[str] = typer.Argument(
        help="Wheels: files, addresses, or names of an index (fetched by uv or pip). Several at once, so that a "
        "plugin's dependencies come along.",
        metavar="WHEEL|NAME|URL...",
    ),
    sha256: list[str] | None = typer.Option(
        None, help="What a wheel's SHA-256 must be; once for each, in their order.", metavar="HEX"
    ),
) -> None:
    """Install a plugin, or another version of it, below $AEXL_HOME/plugins.

    The wheel is checked before anything of it is unpacked: for this Python, platform and aexl, complete, unchanged.
    Then it is loaded once in a process of its own, and only if that went well does it take the place of what was
    there. A plugin is code that runs with all of aexl's rights: install what you trust.
    """
    from aexl.core.cli.plugin_wheels import collect
    from aexl.core.home import make_home
    from aexl.core.plugins.install import install as put

    session: CommandSession = ctx.obj
    make_home(session.home)
    section = _section(session)
    with tempfile.TemporaryDirectory(prefix="aexl-plugin-") as name:
        collected = collect(session.home, what, sha256 or [], Path(name))
        made = put(
            session.home,
            collected.wheels,
            sources=collected.sources,
            prefer=section.prefer,
            server_since=server_start(session),
        )
        _say_what_was_left_out(collected.wheels, made)
    for plugin in made:
        points = ", ".join(f"{point.name} ({' '.join(point.hooks) or 'no hooks'})" for point in plugin.points)
        sys.stdout.write(
            f"installed {plugin.name} {plugin.version}: {points}; {_record(session, 'installed', plugin)}.\n"
        )
        for point in plugin.points:
            if point.name in section.off:
                sys.stderr.write(f"{point.name} is switched off; 'aexl plugin enable {point.name}' turns it on.\n")
    if session.running() is not None:
        sys.stderr.write(NEXT_START)


def remove(ctx: typer.Context, name: str = NAME) -> None:
    """Take away a plugin that 'aexl plugin install' has installed, with everything that came with it."""
    from aexl.core.plugins.folders import remove as take_away

    session: CommandSession = ctx.obj
    source = known_source(session, name)
    if source.origin == "aexl":
        raise Conflict(
            f"{source.name} comes with aexl and cannot be removed; 'aexl plugin disable {source.name}' will do"
        )
    if source.place == "environment":
        raise Conflict(
            f"{source.name} was not installed by aexl but beside it; '{sys.executable} -m pip uninstall "
            f"{source.origin}' removes it"
        )
    _refuse_if_required(session, source.name, "removed")
    plugin = take_away(session.home, source.name, server_since=server_start(session))
    sys.stdout.write(f"removed {plugin.name} {plugin.version}; {_record(session, 'removed', plugin)}.\n")
    if session.running() is not None:
        sys.stderr.write(NEXT_START)


def enable(ctx: typer.Context, name: str = NAME) -> None:
    """Take a plugin out of [plugins] off, comments in aexl.toml kept."""
    session: CommandSession = ctx.obj
    source = known_source(session, name)
    if source.name not in _section(session).off:
        sys.stdout.write(f"{source.name} is not switched off{_why_off(session, source.name)}.\n")
        return

    def change(off: list[Any]) -> None:
        while source.name in off:
            off.remove(source.name)

    _edit_off(session, change)
    vars(session).pop("surroundings", None)
    sys.stdout.write(f"enabled {source.name}{_why_off(session, source.name)}.\n")


def disable(ctx: typer.Context, name: str = NAME) -> None:
    """Put a plugin into [plugins] off: it is not even imported from the next start on. Comments in aexl.toml are kept."""
    session: CommandSession = ctx.obj
    source = known_source(session, name)
    _refuse_if_required(session, source.name, "switched off")
    if source.name in _section(session).off:
        sys.stdout.write(f"{source.name} is switched off already.\n")
        return
    _edit_off(session, lambda off: off.append(source.name))
    sys.stdout.write(f"disabled {source.name}.\n")


def server_start(session: CommandSession) -> float | None:
    """Return when the running server started, in Unix seconds; ``None`` where none runs."""
    status = session.running()
    uptime = status.get("uptime") if status is not None else None
    return time.time() - float(uptime) if isinstance(uptime, int | float) else None


def _section(session: CommandSession) -> PluginsSection:
    return read_table("plugins", PluginsSection, home=session.home, flags={})


def _edit_off(session: CommandSession, change: Callable[[list[Any]], None]) -> None:
    def edit(document: MutableMapping[str, Any]) -> None:
        change(document.setdefault("plugins", {}).setdefault("off", []))

    session.edit_config(edit)
    if session.running() is not None:
        sys.stderr.write(NEXT_START)


def _refuse_if_required(session: CommandSession, name: str, what: str) -> None:
    if name in _section(session).require:
        raise Conflict(f"{name} cannot be {what}: [plugins] require has it; take it out there first")


def _why_off(session: CommandSession, name: str) -> str:
    record = session.surroundings.plugins.records.get(name)
    return f", but off: {record.reason}" if record is not None and record.reason is not None else ""


def _say_what_was_left_out(wheels: Sequence[Wheel], made: Sequence[LockedPlugin]) -> None:
    used = {wheel.sha256 for plugin in made for wheel in plugin.wheels}
    for wheel in wheels:
        if wheel.sha256 not in used:
            sys.stderr.write(f"{wheel.path.name} is left out: aexl has {wheel.name}, and its own always wins.\n")


def _record(session: CommandSession, what: str, plugin: LockedPlugin) -> str:
    """Write the change into the ledger; return the end of a sentence about it."""
    try:
        receipt = session.run(functools.partial(_append, what=what, plugin=plugin))
    except AexlError as error:
        return f"not recorded in the ledger: {error}"
    return "not recorded, for no plugin keeps a ledger" if receipt is None else f"event {receipt.seq} of the ledger"


async def _append(host: Host, *, what: str, plugin: LockedPlugin) -> Receipt | None:
    journal = host.service(Journal)
    if journal is None:
        return None
    wheel = plugin.wheels[0]
    data = {"version": plugin.version, "wheel": wheel.file, "sha256": wheel.sha256, "files": plugin.digest}
    return await journal.append(f"plugin.{what}", plugin.name, data)
