"""``aexl snapshot gc``, ``check`` and ``repair``: keeping a repository, or a remote, small and sound."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_snapshots.cli.colours import paint
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.reach import choose_remote
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, open_repository, open_tree, say
from aexl_snapshots.cli.views import short
from aexl_snapshots.sizes import show_size

if TYPE_CHECKING:
    from aexl_snapshots.maintenance.check import Report
    from aexl_snapshots.maintenance.repair import Repaired

_WHERE = typer.Argument(None, help="A remote; this project's own snapshots by default.", metavar="[REMOTE]")
_TIME: Final = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _read_time(text: str) -> float:
    found = _TIME.fullmatch(text)
    if found is None:
        raise Invalid(f"--grace must be a time such as 0, 90m, 24h or 7d, not {text!r}")
    return float(int(found[1]) * _UNITS[found[2]])


@app.command(epilog="Examples: aexl snapshot gc  ·  aexl snapshot gc origin --grace 7d  ·  aexl snapshot gc --captures")
def gc(
    ctx: typer.Context,
    remote: str | None = _WHERE,
    grace: str | None = typer.Option(
        None,
        help="How long what nothing refers to is kept, as in 0, 12h or 7d; as configured by default.",
        metavar="TIME",
    ),
    captures: bool = typer.Option(
        False, "--captures", help="In the home's store instead, where pipelines keep what their steps changed."
    ),
    as_json: bool = JSON,
) -> None:
    """Remove what no head, tag or remote leads to, and gather small packs. What is staged stays."""
    from aexl_snapshots.cli import transfers

    session: Session = ctx.obj
    seconds = None if grace is None else _read_time(grace)
    if captures and remote is not None:
        raise Invalid("--captures is about the home's store, and a remote is another one; give one of them")
    with Bar() as bar:
        if captures:
            done = transfers.collect_home(session, grace=seconds, meter=bar.meter)
        else:
            tree = open_tree()
            url = None if remote is None else choose_remote(tree.repository, remote)[1]
            done = transfers.collect_garbage(session, tree, url, grace=seconds, meter=bar.meter)
    if as_json:
        fields = ("removed", "removed_bytes", "waiting", "gathered", "packs")
        return session.json({name: getattr(done, name) for name in fields})
    say(
        f"Removed {done.removed} packs ({show_size(done.removed_bytes)}), gathered {done.gathered}; {done.packs} remain."
    )
    if done.waiting:
        say(f"{done.waiting} packs are no longer needed, and go when their grace period is over.")
    return None


@app.command(
    epilog="Examples: aexl snapshot check  ·  aexl snapshot check --read-data  ·  aexl snapshot check origin --read-data --subset 1/7"
)
def check(
    ctx: typer.Context,
    remote: str | None = _WHERE,
    read_data: bool = typer.Option(False, "--read-data", help="Read every pack, and compare every byte."),
    subset: str | None = typer.Option(
        None, help="With --read-data: the n-th of m parts only, as in 1/7.", metavar="N/M"
    ),
    as_json: bool = JSON,
) -> None:
    """See whether all that is needed is there and sound; ends with 1 if not, and names what is wrong."""
    from aexl_snapshots.cli import transfers

    session: Session = ctx.obj
    repository = open_repository()
    if subset is not None and not read_data:
        raise Invalid("--subset divides what --read-data reads; give both")
    url = None if remote is None else choose_remote(repository, remote)[1]
    with Bar() as bar:
        report = transfers.look_through(session, repository, url, read_data=read_data, subset=subset, meter=bar.meter)
    if as_json:
        session.json(_report_json(report))
    else:
        _say_report(report, remote, read_data=read_data)
    if not report.is_sound:
        raise typer.Exit(1)


def _report_json(report: Report) -> dict[str, object]:
    return {
        "sound": report.is_sound,
        "snapshots": report.snapshots,
        "objects": report.objects,
        "packs": report.packs,
        "bytes_read": report.read,
        "findings": [
            {"name": each.name, "problem": each.problem, "snapshots": list(each.snapshots)} for each in report.findings
        ],
    }


def _say_report(report: Report, remote: str | None, *, read_data: bool) -> None:
    counted = f"{report.snapshots} snapshots, {report.objects} objects, {report.packs} packs"
    if report.is_sound:
        read = f"; {show_size(report.read)} read and compared" if read_data else ""
        return say(f"{paint('Sound', 'green')}: {counted}{read}.")
    for finding in report.findings:
        needed = f" (needed by {', '.join(short(each) for each in finding.snapshots[:5])})" if finding.snapshots else ""
        say(f"{paint(finding.name, 'red')}: {finding.problem}{needed}")
    advice = "'aexl snapshot repair --from REMOTE' may mend them"
    if remote is not None:
        advice = "'aexl snapshot repair' does not mend remotes; push to a new one from a project that is sound"
    return say(f"{len(report.findings)} problems in {counted}; {advice}.")


@app.command(epilog="Example: aexl snapshot repair --from origin")
def repair(
    ctx: typer.Context,
    source: str = typer.Option(
        ..., "--from", help="The remote that has what is damaged or missing here.", metavar="REMOTE"
    ),
    as_json: bool = JSON,
) -> None:
    """Replace what is damaged or missing here with what a remote has; ends with 1 if something remains wrong."""
    from aexl_snapshots.cli import transfers

    session: Session = ctx.obj
    repository = open_repository()
    _, url = choose_remote(repository, source)
    with Bar() as bar:
        done = transfers.mend(session, repository, url, bar.meter)
    if as_json:
        lost = [{"name": each.name, "problem": each.problem, "snapshots": list(each.snapshots)} for each in done.lost]
        session.json(
            {
                "packs": list(done.packs),
                "salvaged": done.salvaged,
                "fetched": list(done.fetched),
                "heads": list(done.heads),
                "lost": lost,
            }
        )
    else:
        _say_repaired(done)
    if done.lost:
        raise typer.Exit(1)


def _say_repaired(done: Repaired) -> None:
    if done.packs or done.fetched or done.heads:
        say(f"Replaced {len(done.packs)} packs: {done.salvaged} objects were whole, {len(done.fetched)} were fetched.")
        for head in done.heads:
            say(f"{head} was damaged, and points where the remote's does.")
    if not done.lost:
        say(f"{paint('Sound', 'green')}: nothing is damaged or missing.")
    for finding in done.lost:
        say(f"{paint(finding.name, 'red')}: {finding.problem}")
