"""``aexl ledger``: reads the database beside a running server or without one; only ``correct`` asks the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec
import typer

from aexl.api import Executions, Host, Receipt, Session, format_usd, parse_usd
from aexl.errors import Invalid, Unavailable
from aexl_ledger import cli_ledger_views as views
from aexl_ledger import reading
from aexl_ledger.chain import Broken, check_export, format_line
from aexl_ledger.execution_view import execution_json
from aexl_ledger.options import TABLE, LedgerOptions
from aexl_ledger.progress import Progress
from aexl_ledger.reader import Reader
from aexl_ledger.verify import verify as verify_ledger

app = typer.Typer(no_args_is_help=True, help="The ledger: what agents did and what it cost, and the proof of it.")

POLL_SECONDS = 0.25
"""Between two looks for new events."""

_JSON = typer.Option(False, "--json", help="Print JSON, for programs.")
_EXECUTION = typer.Argument(help="The execution's id.", metavar="EXECUTION")


def _path(session: Session) -> Path:
    return session.home / session.section(TABLE, LedgerOptions).path


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


@app.command(epilog="Examples: aexl ledger show  ·  aexl ledger show --agent alice --limit 5 --json")
def show(
    ctx: typer.Context,
    execution: str | None = typer.Argument(None, help="Show this one in detail.", metavar="[EXECUTION]"),
    agent: str | None = typer.Option(
        None, help="Only this agent's, and those of its runs and other children.", metavar="NAME"
    ),
    limit: int = typer.Option(20, min=1, max=reading.MOST, help="At most this many."),
    as_json: bool = _JSON,
) -> None:
    """Show the latest executions with their states and costs, or one in detail."""
    session: Session = ctx.obj
    with Reader(_path(session)) as reader:
        if execution is not None:
            found = reader.read(lambda connection: reading.read_execution(connection, execution, agent))
            return session.json(execution_json(found)) if as_json else _print("\n".join(views.detail(found)))
        agents = None if agent is None else reader.read(lambda connection: reading.read_family(connection, agent))
        recent = reader.read(lambda connection: reading.read_recent(connection, agents, limit))
    if as_json:
        return session.json([execution_json(each) for each in recent])
    if not recent:
        return _print(
            "There are no executions yet; 'aexl ledger tail' shows other events."
            if agent is None
            else f"{agent} has no executions yet."
        )
    return session.table(views.COLUMNS, [views.row(each) for each in recent])


@app.command(epilog="Examples: aexl ledger tail  ·  aexl ledger tail -n 50 --follow --json")
def tail(
    ctx: typer.Context,
    count: int = typer.Option(10, "-n", min=0, max=reading.MOST, help="How many events."),
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on with new ones until interrupted."),
    as_json: bool = _JSON,
) -> None:
    """Show the latest events."""
    session: Session = ctx.obj
    with Reader(_path(session)) as reader:
        after = max(0, reader.read(reading.read_head) - count)
        for body, digest in _events(reader, after, follow):
            if as_json:
                _print(msgspec.json.encode(reading.event_mapping(body, digest)).decode())
            else:
                _print(views.line(body))
            if follow:
                sys.stdout.flush()


def _events(reader: Reader, after: int, follow: bool) -> Iterator[tuple[bytes, bytes]]:
    while True:
        rows = reader.read(partial(reading.read_events, after=after, limit=reading.MOST))
        for seq, body, digest in rows:
            after = seq
            yield body, digest
        if len(rows) < reading.MOST:
            if not follow:
                return
            time.sleep(POLL_SECONDS)


@app.command(
    epilog="Examples: aexl ledger export --out ledger.jsonl  ·  aexl ledger export --after 1000 | gzip > more.gz"
)
def export(
    ctx: typer.Context,
    out: Path | None = typer.Option(None, help="Write to this file, which must not exist.", metavar="FILE"),
    after: int = typer.Option(0, min=0, help="Only events with a higher sequence number.", metavar="SEQ"),
) -> None:
    """Write events as JSON Lines: each event byte for byte as it was hashed, and its hash."""
    with Reader(_path(ctx.obj)) as reader:
        if out is None:
            _export(reader, after, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        try:
            with out.open("xb") as target:
                written = _export(reader, after, target)
        except FileExistsError as error:
            raise Invalid(f"{out} exists already: name a file that does not") from error
        except OSError as error:
            raise Unavailable(f"{out} cannot be written: {error.strerror}") from error
    _print(f"Wrote {written} events to {out}.")


def _export(reader: Reader, after: int, target: BinaryIO) -> int:
    first, last = after, reader.read(reading.read_head)
    with Progress("Exporting", "events") as progress:
        for body, digest in _events(reader, after, follow=False):
            target.write(format_line(body, digest) + b"\n")
            after += 1
            progress.show(after - first, max(last - first, after - first))
    return after - first


@app.command(epilog="Examples: aexl ledger verify  ·  aexl ledger verify --export ledger.jsonl")
def verify(
    ctx: typer.Context,
    exported: Path | None = typer.Option(
        None, "--export", help="Check an export instead, without any database.", metavar="FILE"
    ),
    as_json: bool = _JSON,
) -> None:
    """Check every event against the chain, and the tables against the events; ends with 1 at the first bad one."""
    session: Session = ctx.obj
    verdict = _verify_export(exported) if exported is not None else _verify_ledger(session)
    if as_json:
        session.json(verdict)
    elif verdict["ok"]:
        _print(f"OK: {verdict['events']} events hold; the last one's receipt is {verdict['events']}:{verdict['head']}")
    elif verdict["first_bad"] is not None:
        _print(f"BAD: the first bad event is {verdict['first_bad']} ({verdict['detail']})")
    else:
        _print(f"BAD: {verdict['detail']}")
    if not verdict["ok"]:
        raise typer.Exit(1)


def _verify_ledger(session: Session) -> dict[str, object]:
    with Progress("Verifying", "events") as progress:
        return dict(msgspec.structs.asdict(verify_ledger(_path(session), progress.show)))


def _verify_export(path: Path) -> dict[str, object]:
    started = time.perf_counter()
    try:
        with path.open("rb") as lines:
            chain = check_export(lines)
    except Broken as broken:
        verdict = {"ok": False, "events": broken.seq - 1, "first_bad": broken.seq, "detail": str(broken), "head": ""}
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    else:
        detail = "every event follows from the one before it"
        verdict = {"ok": True, "events": chain.seq, "first_bad": None, "detail": detail, "head": chain.hash.hex()}
    return {**verdict, "seconds": time.perf_counter() - started}


@app.command(epilog="Example: aexl ledger replay 01980c6e-7d0f-7c1a-9a55-0a9d4b6f2e11")
def replay(ctx: typer.Context, execution: str = _EXECUTION, as_json: bool = _JSON) -> None:
    """Tell one execution's life, event by event."""
    session: Session = ctx.obj
    with Reader(_path(session)) as reader:
        life = reader.read(lambda connection: reading.read_life(connection, execution))
    if as_json:
        return session.json([{**msgspec.structs.asdict(event), "hash": digest} for event, digest in life])
    return _print("\n".join(views.story(life)))


@app.command(
    epilog="Example: aexl ledger correct 01980c6e-7d0f-7c1a-9a55-0a9d4b6f2e11 0.0123 --reason 'invoice of May'"
)
def correct(
    ctx: typer.Context,
    execution: str = _EXECUTION,
    usd: str = typer.Argument(help="What it really cost, as in 0.0123.", metavar="USD"),
    reason: str = typer.Option(..., help="Why, for whoever reads the ledger.", metavar="TEXT"),
    as_json: bool = _JSON,
) -> None:
    """Book what an invoice says instead of what was booked, as a new event."""
    session: Session = ctx.obj
    cost = parse_usd(usd, "the cost")

    async def work(host: Host) -> Receipt:
        executions = host.service(Executions)
        if executions is None:
            raise Unavailable("no plugin keeps executions: enable the ledger")
        return await executions.correct(execution, cost, reason)

    receipt = session.run(work)
    if as_json:
        return session.json(
            {"execution": execution, "cost_usd": format_usd(cost), "receipt": f"{receipt.seq}:{receipt.hash}"}
        )
    return _print(f"Booked {format_usd(cost)} USD for {execution}; the receipt is {receipt.seq}:{receipt.hash}")
