"""The port ``Proposals`` over the files of this machine."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import trio

from aexl.errors import Conflict, Invalid, NotFound, Unavailable
from aexl_pipelines.execution.ports import Proposal
from aexl_pipelines.gates.atomic import write_file
from aexl_pipelines.language.loading import Loaded, StepTypes, load_file
from aexl_pipelines.language.reader import Files, Recorder
from aexl_pipelines.language.reading import LARGEST
from aexl_pipelines.language.skills import SkillFinder
from aexl_pipelines.proposals.answers import read_answer
from aexl_pipelines.proposals.comments import keep_comments
from aexl_pipelines.proposals.diffs import apply_hunks, make_diff, read_diff
from aexl_pipelines.proposals.weakening import find_weakened


class FileProposals:
    """See ``execution.ports.Proposals``. Everything here is judged before anything is written.

    Args:
        files: What pipeline files may name, as for ``load_file``.
        finder: Likewise.
        step_types: Likewise.
    """

    def __init__(self, files: Files, finder: SkillFinder | None = None, step_types: StepTypes | None = None) -> None:
        self._files = files
        self._finder = finder
        self._step_types = step_types

    async def prepare(self, file: Path, answer: str) -> Proposal:
        """Read an answer as a change of a file; nothing is written.

        Raises:
            Invalid: If it is no change of this file, touches another one, or changes nothing.
            NotFound: If there is no such file.
            Unavailable: If the file cannot be read.
        """
        return await trio.to_thread.run_sync(self._prepare, file, answer)

    async def apply(self, proposal: Proposal) -> None:
        """Write it at once or not at all; durable when this returns.

        Raises:
            Conflict: If the file is not what the proposal was made for.
            Invalid: If the new text has problems.
            Unavailable: If it cannot be written.
        """
        if proposal.problems:
            raise Invalid(f"the proposed {proposal.file.name} has problems: {proposal.problems[0]}")
        await trio.to_thread.run_sync(_write, proposal)

    def _prepare(self, file: Path, answer: str) -> Proposal:
        data = _read(file)
        try:
            old = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Invalid(f"{file} is not UTF-8 (byte {error.start})") from error
        given = read_answer(answer)
        if given.kind == "patch":
            new = apply_hunks(old, read_diff(given.text, [str(file), self._files.name_of(file)]))
        else:
            new = _in_the_manner_of(old, given.text)
        if new == old:
            raise Invalid(f"the answer does not change {file.name}")
        before, after = self._load(file, old), self._load(file, new)
        weakens = _judge(before, after)
        return Proposal(
            file=file,
            digest=hashlib.sha256(data).hexdigest(),
            text=new,
            patch=_explained(make_diff(self._files.name_of(file), old, new), weakens),
            weakens=weakens,
            problems=tuple(str(problem) for problem in after.problems),
        )

    def _load(self, file: Path, text: str) -> Loaded:
        return load_file(
            file, Recorder(self._files, {str(file): text.removeprefix("\ufeff")}), self._finder, self._step_types
        )


def _in_the_manner_of(old: str, text: str) -> str:
    """Return a whole new file with the old one's comments, line ends and byte order mark."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n") + "\n"
    made = keep_comments(old.removeprefix("\ufeff").replace("\r\n", "\n"), lines)
    mark = "\ufeff" if old.startswith("\ufeff") else ""
    return mark + (made.replace("\n", "\r\n") if "\r\n" in old else made)


def _judge(before: Loaded, after: Loaded) -> tuple[str, ...]:
    if after.pipeline is None:
        return ()
    if before.pipeline is None:
        return ("The present file has problems, so that nobody can say what this takes away of it.",)
    return find_weakened(before.pipeline, after.pipeline)


def _explained(patch: str, weakens: tuple[str, ...]) -> str:
    """Return a patch with what it takes away at its top, where every reader of patches skips it."""
    if not weakens:
        return patch
    return "".join(["# This change weakens what guards the pipeline:\n", *(f"# - {each}\n" for each in weakens), patch])


def _read(file: Path) -> bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Invalid(f"{file} is not a file")
            with os.fdopen(descriptor, "rb", closefd=False) as opened:
                data = opened.read(LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {file}") from error
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise Invalid(f"{file} has more than {LARGEST} bytes")
    return data


def _write(proposal: Proposal) -> None:
    """Replace the file; a link stays one, and what it leads to is replaced."""
    if hashlib.sha256(_read(proposal.file)).hexdigest() != proposal.digest:
        raise Conflict(f"{proposal.file} has been changed since the proposal was made; nothing was written")
    target = Path(os.path.realpath(proposal.file))
    try:
        write_file(target, proposal.text.encode(), mode=stat.S_IMODE(target.stat().st_mode))
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror or error}") from error
