"""Where runs are: a folder for each below ``runs`` of the home, and what can be said of one at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from aexl.errors import Conflict, Invalid, NotFound, Unavailable
from aexl_pipelines.journal.lines import MOST, Written, decode_lines
from aexl_pipelines.journal.locking import NAME, is_driven
from aexl_pipelines.journal.records import GateDecided, GateOpened, RunBegun, RunEnded, RunStatus, StepEnded, total

State = RunStatus | Literal["running", "waiting", "broken"]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run at a glance.

    Attributes:
        state: How it ended; ``running``, ``waiting`` (for a person), or ``broken`` where nobody drives it any more
            and it has no end: ``aexl pipeline resume`` goes on with it.
        steps: How many have ended.
        cost: Nano-dollars, booked where it was governed, else at the runners' own prices.
    """

    run: str
    project: str
    pipeline: str
    state: State
    began: float
    ended: float | None = None
    steps: int = 0
    cost: int | None = None
    parent: str | None = None
    exit_code: int | None = None
    message: str = ""


def runs_folder(home: Path) -> Path:
    """Return where the folders of runs are."""
    return home / "runs"


def make_folder(home: Path, run: str) -> Path:
    """Make and return a new run's folder. Blocks.

    Raises:
        Unavailable: If it cannot be made.
    """
    folder = runs_folder(home) / run
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise Unavailable(f"the folder {folder} cannot be made: {error.strerror or error}") from error
    return folder


def find_folder(home: Path, run: str, project: Path | None = None) -> Path:
    """Return the folder of a run, named by its id, by the beginning or the end of it, or by ``last``. Blocks.

    Args:
        project: Whose run ``last`` is: the latest of this folder and of folders in it that no other run has called;
            without it, of all.

    Raises:
        NotFound: If there is none.
        Conflict: If there are several.
    """
    runs = runs_folder(home)
    if run and "/" not in run and not run.startswith(".") and (runs / run / NAME).is_file():
        return runs / run
    folders = _folders(home)
    if run == "last":
        return _last(folders, project)
    found = [path for path in folders if run and (path.name.startswith(run) or path.name.endswith(run))]
    if not found:
        raise NotFound(f"there is no run {run!r}; see 'aexl pipeline runs --all'")
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        raise Conflict(f"{run!r} may be any of {len(found)} runs: {names}; give more of the id")
    return found[0]


def _folders(home: Path) -> list[Path]:
    """Return the folders with journals, the oldest first: ids begin with their time."""
    return sorted(path for path in runs_folder(home).glob("*") if (path / NAME).is_file())


def _last(folders: Sequence[Path], project: Path | None) -> Path:
    for folder in reversed(folders):
        begun = read_begun(folder)
        if begun is not None and begun.parent is None and _is_of(begun, project):
            return folder
    raise NotFound("there is no run here yet; see 'aexl pipeline runs --all'")


def _is_of(begun: RunBegun, project: Path | None) -> bool:
    return project is None or Path(begun.project).is_relative_to(project)


def read_begun(folder: Path) -> RunBegun | None:
    """Return the first record of a run's journal; ``None`` where there is none, or it cannot be read. Blocks."""
    try:
        with (folder / NAME).open("rb") as file:
            first = next(decode_lines(file.readline(MOST)), None)
    except (OSError, Invalid):
        return None
    record = first[0].record if first is not None else None
    return record if isinstance(record, RunBegun) else None


def read_records(folder: Path) -> Sequence[Written]:
    """Return what is in the journal of a run; a torn last line is left out. Blocks.

    Raises:
        NotFound: If there is no journal.
        Invalid: If it is damaged.
    """
    try:
        data = (folder / NAME).read_bytes()
    except OSError as error:
        raise NotFound(f"the run {folder.name} has no journal: {error.strerror or error}") from error
    return [written for written, _ in decode_lines(data)]


def summarize(folder: Path) -> RunSummary | None:
    """Return a run at a glance; ``None`` for a folder whose journal has not begun. Blocks."""
    records = [written.record for written in read_records(folder)]
    begun = records[0] if records else None
    if not isinstance(begun, RunBegun):
        return None
    last = records[-1]
    ended = last if isinstance(last, RunEnded) else None
    open_gates = {record.gate.id for record in records if isinstance(record, GateOpened)} - {
        record.gate for record in records if isinstance(record, GateDecided)
    }
    driven = ended is None and is_driven(folder)
    state: State = ended.status if ended else "broken" if not driven else "waiting" if open_gates else "running"
    steps = [record for record in records if isinstance(record, StepEnded)]
    cost = _cost(steps)
    if ended is not None:
        cost = ended.booked if ended.booked is not None else ended.cost
    return RunSummary(
        run=begun.run,
        project=begun.project,
        pipeline=_label(begun),
        state=state,
        began=begun.at,
        ended=last.at if ended else None,
        steps=len(steps),
        cost=cost,
        parent=begun.parent.run if begun.parent else None,
        exit_code=ended.exit_code if ended else None,
        message=ended.message if ended else "",
    )


def _cost(steps: Sequence[StepEnded]) -> int | None:
    """Return what steps have cost; what is booked for one that ran again is for all the times that it ran."""
    paid = [each for each in steps if each.kind not in {"do_while", "for_each"} and not each.cached]
    booked = {each.step: each.booked for each in paid if each.booked is not None}
    return total((*booked.values(), *(each.cost for each in paid if each.booked is None)))


def _label(begun: RunBegun) -> str:
    name = begun.file or "(passthrough)"
    return f"{name}#{begun.name}" if begun.name else name


def list_runs(home: Path, project: Path | None = None) -> Iterator[RunSummary]:
    """Yield runs, the newest first; with ``project``, only those of this folder and of folders in it. Blocks.

    A journal that cannot be read is left out: looking at it by its name says why.
    """
    for folder in reversed(_folders(home)):
        begun = read_begun(folder)
        if begun is None or not _is_of(begun, project):
            continue
        try:
            found = summarize(folder)
        except (Invalid, NotFound):
            continue
        if found is not None:
            yield found
