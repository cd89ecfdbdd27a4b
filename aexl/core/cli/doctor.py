"""``aexl doctor``."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import typer

from aexl.api import Control, Host
from aexl.core.cli.conventions import JSON
from aexl.core.session import CommandSession
from aexl.errors import AexlError, ConfigError

app = typer.Typer()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ``note`` is worth knowing and no fault."""

    subject: str
    verdict: Literal["ok", "note", "bad"]
    detail: str


@app.command(epilog="Example: aexl doctor --json")
def doctor(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Look at home, configuration, plugins, ledger and server. Exits 1 when something is wrong."""
    session: CommandSession = ctx.obj
    findings = [*_home(session), *_config(session)]
    if all(finding.verdict != "bad" for finding in findings):
        findings += [*_plugins(session), *_server(session)]
    if as_json:
        session.json(findings)
    else:
        sys.stdout.writelines(f"{f.verdict.upper():<5} {f.subject}: {f.detail}\n" for f in findings)
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(1)


def _finding(subject: str, verdict: Literal["ok", "note", "bad"], detail: str) -> Finding:
    return Finding(subject=subject, verdict=verdict, detail=detail)


def _home(session: CommandSession) -> Iterator[Finding]:
    home = session.home
    if not home.is_dir():
        yield _finding("home", "note", f"{home} does not exist yet; 'aexl init' makes it")
        return
    open_to = stat.S_IMODE(home.stat().st_mode) & 0o077
    if open_to:
        yield _finding("home", "bad", f"{home} is open to other users; chmod 700 {home}")
    else:
        yield _finding("home", "ok", str(home))


def _config(session: CommandSession) -> Iterator[Finding]:
    try:
        digest = session.config.digest
    except ConfigError as error:
        for problem in error.problems:
            yield _finding("configuration", "bad", str(problem))
    else:
        yield _finding("configuration", "ok", f"digest {digest[:12]}")


def _plugins(session: CommandSession) -> Iterator[Finding]:
    for name, record in session.surroundings.plugins.records.items():
        if record.reason is not None:
            chosen = "[plugins] off" in record.reason
            yield _finding(f"plugin {name}", "note" if chosen else "bad", f"off: {record.reason}")


def _server(session: CommandSession) -> Iterator[Finding]:
    """Ask the running server, or a host of our own; the answers are the same."""

    async def ask(host: Host) -> tuple[Mapping[str, str], Mapping[str, str], str]:
        control = host.service(Control)
        assert control is not None, "the host plays this role"
        status = await control.status()
        off = status.get("plugins_off")
        return await control.health(), off if isinstance(off, dict) else {}, str(status.get("book"))

    running = session.running()
    where = f"{running['url']} (pid {running['pid']})" if running else "not running; 'aexl daemon start' starts it"
    yield _finding("server", "ok" if running else "note", where)
    try:
        health, off, book = session.run(ask)
    except AexlError as error:
        yield _finding("start-up", "bad", str(error))
        return
    for name, reason in off.items():
        if session.surroundings.plugins.is_on(name):
            yield _finding(f"plugin {name}", "bad", f"off: {reason}")
    if book == "unbooked":
        yield _finding("ledger", "bad", "no plugin keeps a book: calls have no budgets and leave no record")
    for name, wrong in health.items():
        yield _finding(name, "ok" if wrong == "ok" else "bad", wrong)
