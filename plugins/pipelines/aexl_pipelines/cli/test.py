"""``aexl pipeline test``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import typer

from aexl.api import Host, Session
from aexl.errors import AexlError, Invalid, NotFound, Unavailable
from aexl_pipelines.cases import comparing, reporting
from aexl_pipelines.cases.discovery import find_case_files
from aexl_pipelines.cases.loading import STUB, CaseLoader, Overrides
from aexl_pipelines.cases.model import DECLARED, Trial
from aexl_pipelines.cases.schema import cases_specification
from aexl_pipelines.cases.verdicts import Verdict
from aexl_pipelines.cli.driving import CANCELLED, until_signal
from aexl_pipelines.cli.opening import Loader, load, runners_of, step_types_of
from aexl_pipelines.cli.root import JSON, app, say, say_aside
from aexl_pipelines.language.discovery import choose
from aexl_pipelines.language.problems import suggest

FAILED: Final = 1
"""The exit code when something did not hold."""
_MOST_JOBS: Final = 64

# Any: Typer's options stand in for values of another type.
_PATHS: Final[Any] = typer.Argument(
    None,
    metavar="[PATH]...",
    help="Case files, or folders with some; by default those of this folder and of the folders above it.",
)
_ONLY: Final[Any] = typer.Option(
    None, "-k", metavar="TEXT", help="Only cases with this in their name, whatever the case; repeatable."
)
_RUNNER: Final[Any] = typer.Option(
    None, "--runner", metavar="NAME", help="Try with this runner, instead of what the files say; repeatable."
)
_MODEL: Final[Any] = typer.Option(None, "--model", metavar="NAME", help="Try with this model likewise; repeatable.")
_COMPARE: Final[Any] = typer.Option(
    None, "--compare", metavar="PATH|NAME", help="Try this pipeline on the same cases too, and show what differs."
)
_JUNIT: Final[Any] = typer.Option(None, "--junit", metavar="FILE", help="Write JUnit's XML there.")
_JOBS: Final[Any] = typer.Option(0, "--jobs", "-j", min=0, max=_MOST_JOBS, help="Runs at a time; by default one for each processor, and one where agents are asked.")  # fmt: skip
_GOVERN: Final[Any] = typer.Option(None, "--govern/--no-govern", help="Have a server hold budgets where real agents are asked; by default, if one runs.")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What the command line asks for."""

    jobs: int
    fail_fast: bool
    keep: bool
    govern: bool | None
    agent: str | None


@app.command(
    name="test",
    epilog="Examples: aexl pipeline test  ·  aexl pipeline test -k review --json  ·  aexl pipeline test --compare shorter.yaml  ·  "
    "aexl pipeline test --runner claude --model haiku --model sonnet --junit report.xml",
)
def try_cases(
    ctx: typer.Context,
    paths: list[Path] | None = _PATHS,
    only: list[str] | None = _ONLY,
    runner: list[str] | None = _RUNNER,
    model: list[str] | None = _MODEL,
    compare: str | None = _COMPARE,
    record: bool = typer.Option(
        False, "--record", help="Ask the runners of cases that have a tape, and record them anew."
    ),
    jobs: int = _JOBS,
    fail_fast: bool = typer.Option(
        False, "--fail-fast", "-x", help="Begin no further run once something did not hold."
    ),
    keep: bool = typer.Option(False, "--keep", help="Leave the scratch folders, and say where they are."),
    govern: bool | None = _GOVERN,
    agent: str = typer.Option(None, "--agent", metavar="NAME", help="The agent that pays, where a server governs."),
    junit: Path | None = _JUNIT,
    listing: bool = typer.Option(False, "--list", help="List the runs, and make none."),
    schema: bool = typer.Option(False, "--schema", help="Print the JSON Schema of case files, for editors."),
    as_json: bool = JSON,
) -> None:
    """Try pipelines on cases, in scratch folders, and hold them to what is expected.

    Ends with 0 if everything held, with 1 if something did not, with 3 if a case file or a pipeline is wrong.
    """
    session: Session = ctx.obj
    if schema:
        return say(cases_specification("schema").rstrip("\n"))
    if compare is not None and (record or junit is not None):
        raise Invalid("--compare goes together with neither --record nor --junit")
    overrides = Overrides(runners=tuple(runner or ()), models=tuple(model or ()), record=record)
    trials = _select(_load(session, paths or [], overrides), only or [])
    if listing:
        return _list(session, trials, as_json=as_json)
    wanted = _Wanted(jobs=jobs, fail_fast=fail_fast, keep=keep, govern=govern, agent=agent)
    if compare is not None:
        return _compare(session, trials, compare, wanted, as_json=as_json)
    if record and not any(trial.case.setup.tape is not None for trial in trials):
        raise Invalid("--record is for cases that have a 'tape:', and none of these has")
    verdicts = _run(session, trials, wanted)
    if junit is not None:
        _write(junit, reporting.as_junit(verdicts))
    if as_json:
        session.json(reporting.as_json(verdicts))
    else:
        _say(session, verdicts)
    raise typer.Exit(0 if all(verdict.held for verdict in verdicts) else FAILED)


def _load(session: Session, paths: Sequence[Path], overrides: Overrides) -> list[Trial]:
    """Return the runs that case files ask for.

    Raises:
        InvalidPipeline: If something is wrong with them; names every problem.
    """
    files = find_case_files(paths, Path.cwd())
    names = runners_of(session)
    loader = Loader(session, step_types_of(session), names)
    for name in overrides.runners:
        if name.strip().lower() not in names and name != DECLARED:
            hint = suggest(name, [*names, DECLARED])
            raise Invalid(f"there is no runner {name!r}; {hint}".rstrip("; "))
    cases = CaseLoader(files=loader.files, find=_finder(session), load=loader, runners=names)
    trials = [trial for path in files for trial in cases.trials(path, overrides)]
    cases.unwrap()
    return trials


def _finder(session: Session) -> Any:
    def find(name: str, folder: Path) -> Path:
        beside = folder / Path(name).expanduser()
        if beside.is_file():
            return beside.absolute()
        path = choose(name, folder, session.home)
        if path is None:
            raise NotFound(f"there is no pipeline {name!r}")
        return path

    return find


def _select(trials: list[Trial], only: Sequence[str]) -> list[Trial]:
    """Return the runs whose names have one of the texts in them."""
    if not only:
        return trials
    found = [trial for trial in trials if any(text.casefold() in trial.name.casefold() for text in only)]
    if not found:
        hint = suggest(only[0], [trial.case.name for trial in trials])
        raise Invalid(f"no case has {' or '.join(repr(text) for text in only)} in its name; {hint}".rstrip("; "))
    return found


def _list(session: Session, trials: Sequence[Trial], *, as_json: bool) -> None:
    rows = [
        {
            "name": trial.name,
            "file": trial.file,
            "line": trial.case.place.line,
            "pipeline": trial.loaded.unwrap().file,
            "runner": "tape" if trial.taped else trial.runner,
            "model": trial.model,
            "checks": len(trial.case.setup.checks),
            "skip": trial.case.skip,
        }
        for trial in trials
    ]
    if as_json:
        return session.json(rows)
    columns = ["case", "runner", ">checks", "where"]
    return session.table(
        columns,
        [[str(row["name"]), str(row["runner"]), str(row["checks"]), f"{row['file']}:{row['line']}"] for row in rows],
    )


def _run(session: Session, trials: Sequence[Trial], wanted: _Wanted) -> list[Verdict]:
    """Run the trials in scratch folders, which are gone afterwards unless they are kept."""
    from aexl_pipelines.cases.running import Bench, run_trials
    from aexl_pipelines.execution.known import known_agents
    from aexl_pipelines.governing.opening import WITHOUT, open_governor
    from aexl_pipelines.proposals.ports import FileProposals

    asked = [trial for trial in trials if trial.runner != STUB and not trial.taped and not trial.case.skip]
    govern = open_governor(session, agent=wanted.agent, govern=wanted.govern, say=say_aside) if asked else None
    folder = Path(tempfile.mkdtemp(prefix="aexl-test-"))
    jobs = wanted.jobs or (1 if asked else min(_MOST_JOBS, os.cpu_count() or 1))

    async def work(host: Host) -> list[Verdict] | None:
        types = {name: kind.parse for name, kind in host.step_types().items()}
        load = Loader(session, types)
        bench = Bench(
            host=host,
            agents=known_agents(host),
            folder=folder,
            load=load,
            proposals=FileProposals(load.files, load.finder(Path.cwd()), types),
            governor=govern,
            keep=wanted.keep,
        )
        return await until_signal(
            lambda: run_trials(trials, bench, jobs=jobs, fail_fast=wanted.fail_fast, tell=_say_soon)
        )

    try:
        verdicts = session.run(work, without=WITHOUT)
    finally:
        if not wanted.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if verdicts is None:
        raise typer.Exit(CANCELLED)
    return verdicts


def _say_soon(verdict: Verdict) -> None:
    """Tell a person who waits what has ended."""
    if sys.stderr.isatty():
        say_aside("  ".join(cell for cell in reporting.row_of(verdict) if cell))


def _compare(session: Session, trials: Sequence[Trial], other: str, wanted: _Wanted, *, as_json: bool) -> None:
    path = choose(other, Path.cwd(), session.home)
    assert path is not None, "a pipeline that is named is found, or an error"
    loaded = load(session, path)
    loaded.unwrap()
    others = [_with_other(trial, loaded) for trial in trials]
    pairs = comparing.pair_up(_run(session, trials, wanted), _run(session, others, wanted))
    if as_json:
        session.json(comparing.as_json(pairs))
    else:
        session.table(comparing.COLUMNS, [*map(comparing.row_of, pairs), comparing.summary_rows(pairs)])
        for line in comparing.difference_lines(pairs) or ["", "Nothing differs but what it took."]:
            say(line)
    raise typer.Exit(0 if all(pair.one.held and pair.other.held for pair in pairs) else FAILED)


def _with_other(trial: Trial, loaded: Any) -> Trial:
    """Return a run of another pipeline: inputs that it does not declare are left out."""
    from aexl_pipelines.language.inputs import bind_inputs

    wanted = loaded.unwrap().inputs
    given = {name: each.value for name, each in trial.case.setup.inputs.items() if name in wanted}
    try:
        inputs = bind_inputs(wanted, given)
    except AexlError as error:
        raise Invalid(f"the case {trial.case.name!r} does not fit {loaded.unwrap().file}: {error}") from error
    return msgspec.structs.replace(trial, loaded=loaded, inputs=inputs)


def _say(session: Session, verdicts: Sequence[Verdict]) -> None:
    session.table(reporting.COLUMNS, [reporting.row_of(verdict) for verdict in verdicts])
    for line in reporting.failure_lines(verdicts):
        say(line)
    say()
    say(reporting.sentence_of(verdicts))
    for verdict in verdicts:
        if verdict.kept and verdict.held:
            say_aside(f"{verdict.name} is kept in {verdict.kept}")


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror or error}") from error
