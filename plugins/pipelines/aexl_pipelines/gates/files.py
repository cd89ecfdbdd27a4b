"""Gates on the disk: a file for each question, and one for its answer, in the folder of the run.

``runs/RUN/gates/ID.json`` is the question, ``ID.answer.json`` the answer. An answer is
written aside and then *linked* to its name: it is there whole or not at all, and of any
number of processes that answer at the same time one wins. Nothing here waits for
anything but the disk; run it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from aexl.errors import Conflict, NotFound, Unavailable
from aexl_pipelines.gates.atomic import write_file
from aexl_pipelines.gates.naming import complete
from aexl_pipelines.gates.records import Decided, Standing, check_verdict, describe, digest_of
from aexl_pipelines.journal.records import Gate, Verdict

T = TypeVar("T")

_QUESTION: Final = ".json"
_ANSWER: Final = ".answer.json"


class AlreadyDecided(Conflict):
    """Somebody was quicker; ``decided`` is what counts."""

    def __init__(self, decided: Decided) -> None:
        super().__init__(f"gate {decided.gate} is decided already: {describe(decided)}")
        self.decided = decided


class GateFiles:
    """The gates of all runs of a home.

    Args:
        runs: The folder that has a folder for each run.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs

    def answer_path(self, gate: Gate) -> Path:
        """Return where the answer to a gate appears."""
        return self._folder(gate.run) / f"{gate.id}{_ANSWER}"

    def open(self, gate: Gate) -> Decided | None:
        """Put up a question; return the answer that came meanwhile, if the same was asked before.

        An answer to something else (the step has run again, with another result) is thrown away.
        """
        folder = self._folder(gate.run)
        with _disk_errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = self.answer(gate)
            if known is None:
                self.answer_path(gate).unlink(missing_ok=True)
            write_file(self._question_path(gate), msgspec.json.encode(gate))
        return known

    def withdraw(self, gate: Gate) -> None:
        """Take a question away that nobody has answered; an answer that is there stays."""
        with _disk_errors():
            if not self.answer_path(gate).exists():
                self._question_path(gate).unlink(missing_ok=True)

    def decide(self, gate: Gate, verdict: Verdict, at: float) -> Decided:
        """Answer a gate.

        Raises:
            AlreadyDecided: If somebody was quicker.
            Invalid: If the gate cannot have this answer.
        """
        verdict = msgspec.structs.replace(verdict, reason=verdict.reason.strip())
        check_verdict(gate, verdict)
        decided = Decided(gate=gate.id, question=digest_of(gate), verdict=verdict, at=at)
        with _disk_errors():
            if write_file(self.answer_path(gate), msgspec.json.encode(decided), fresh=True):
                return decided
        winner = self.answer(gate)
        if winner is None:
            raise Conflict(f"gate {gate.id} asks something else by now; look at it again")
        raise AlreadyDecided(winner)

    def answer(self, gate: Gate) -> Decided | None:
        """Return the answer to exactly this question, if there is one."""
        decided = _read(self.answer_path(gate), Decided)
        return decided if decided is not None and decided.question == digest_of(gate) else None

    def listed(self, run: str | None = None) -> list[Standing]:
        """Return the gates of all runs, or of one, decided ones too, the oldest first."""
        found = [self._standing(path) for path in self._questions(run)]
        return sorted((each for each in found if each is not None), key=lambda each: (each.gate.opened, each.gate.id))

    def find(self, beginning: str) -> Standing:
        """Return the gate whose id begins like this; open ones count before decided ones.

        Raises:
            NotFound: If there is none.
            Conflict: If there are several; names them.
        """
        paths = {path.name.removesuffix(_QUESTION): path for path in self._questions(None)}
        try:
            name = complete(beginning, [name for name, path in paths.items() if not _answer_of(path).exists()])
        except NotFound:
            name = complete(beginning, paths)
        found = self._standing(paths[name])
        if found is None:
            raise NotFound(f"gate {name} was withdrawn a moment ago")
        return found

    def _standing(self, path: Path) -> Standing | None:
        gate = _read(path, Gate)
        return None if gate is None else Standing(gate=gate, decided=self.answer(gate))

    def _questions(self, run: str | None) -> Iterator[Path]:
        folders = [self._folder(run)] if run is not None else [each / "gates" for each in _listed(self._runs)]
        for folder in folders:
            for path in _listed(folder):
                if path.name.endswith(_QUESTION) and not path.name.endswith(_ANSWER) and path.name[0] != ".":
                    yield path

    def _folder(self, run: str) -> Path:
        return self._runs / run / "gates"

    def _question_path(self, gate: Gate) -> Path:
        return self._folder(gate.run) / f"{gate.id}{_QUESTION}"


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Make errors of the disk ours."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the gate's file cannot be written: {error.strerror or error}") from error


def _answer_of(question: Path) -> Path:
    return question.with_name(question.name.removesuffix(_QUESTION) + _ANSWER)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):  # no runs yet, a run without gates, a file beside the runs
        return []


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(f"the gate's file {path} cannot be read: {error}") from error
