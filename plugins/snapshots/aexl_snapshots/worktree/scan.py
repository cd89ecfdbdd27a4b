"""What is in a tree now: one look at each file, nothing read but the ignore files."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aexl_snapshots.objects.names import MAX_DEPTH, explain_name, fold_name, printable
from aexl_snapshots.worktree.credentials import DEFAULT_RULES
from aexl_snapshots.worktree.folders import OUTSIDE, Folders, explain
from aexl_snapshots.worktree.ignore import FILE_NAME, LARGEST, Rules
from aexl_snapshots.worktree.steady import Signature, kind_of

_DEFAULT: Final = b"\n" + DEFAULT_RULES.encode()


class Unkept(NamedTuple):
    """Something in the tree that a snapshot cannot hold.

    Attributes:
        special: It is no file (a link, a pipe, a device), as opposed to a file with a name that cannot be kept.
    """

    path: str
    reason: str
    special: bool

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(slots=True)
class Scan:
    """The files of a tree with what they look like, and what cannot be kept."""

    files: dict[str, Signature] = field(default_factory=dict)
    unkept: list[Unkept] = field(default_factory=list)

    def within(self, path: str) -> bool:
        """Say whether anything is at a path or below it."""
        below = path + "/"
        return not path or path in self.files or any(each.startswith(below) for each in self.files)


def scan_tree(folders: Folders, tracked: Collection[str] = (), ignore_files: Sequence[str] = (FILE_NAME,)) -> Scan:
    """Look at every file of a tree that is not ignored.

    Args:
        tracked: Paths that count although they are ignored.
        ignore_files: Of these, the first one that a folder has is read.

    Raises:
        Invalid: If an ignore file is too large.
        Unavailable: If a folder cannot be read.
    """
    scan = Scan()
    folders.forget()
    walk = _Walk(scan, ignore_files)
    descriptor = os.dup(folders.at(""))
    walk.enter(descriptor, "", b"", Rules.of(DEFAULT_RULES.encode()), 0)
    for path in tracked:
        if path not in scan.files:
            status = folders.look(path)
            if status is not None and stat.S_ISREG(status.st_mode):
                scan.files[path] = Signature.of(status)
    return scan


class _Walk:
    def __init__(self, scan: Scan, ignore_files: Sequence[str]) -> None:
        self._scan = scan
        self._ignore_files = ignore_files

    def enter(self, descriptor: int, prefix: str, raw: bytes, rules: Rules, depth: int) -> None:
        """Look at what is in a folder, then enter those in it; closes the descriptor."""
        try:
            rules = _own_rules(descriptor, raw, rules, self._ignore_files)
            below = list(self._look(descriptor, prefix, raw, rules))
            for name, name_raw in below:
                if depth == MAX_DEPTH - 1:
                    self._leave(prefix + name, f"is more than {MAX_DEPTH} folders deep", special=False)
                    continue
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                try:
                    inner = os.open(name, flags, dir_fd=descriptor)
                except (FileNotFoundError, NotADirectoryError):
                    continue  # it went away meanwhile
                self.enter(inner, f"{prefix}{name}/", raw + name_raw + b"/", rules, depth + 1)
        except OSError as error:
            raise explain(error, prefix.rstrip("/")) from error
        finally:
            os.close(descriptor)

    def _look(self, descriptor: int, prefix: str, raw: bytes, rules: Rules) -> Iterator[tuple[str, bytes]]:
        """Note the files of a folder; yield the folders in it."""
        folded: dict[str, str] = {}
        files = self._scan.files
        with os.scandir(descriptor) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            name = entry.name
            if name in OUTSIDE:
                continue
            name_raw = os.fsencode(name)
            folder = entry.is_dir(follow_symlinks=False)
            if rules.ignore(name_raw, raw + name_raw, folder):
                continue
            reason = explain_name(name)
            if reason is None and (other := folded.setdefault(fold_name(name), name)) != name:
                reason = f"differs from {prefix}{other} in case or spelling only"
            if reason is not None:
                self._leave(prefix + name, reason, special=False)
            elif folder:
                yield name, name_raw
            else:
                self._note(entry, prefix + name, files)

    def _note(self, entry: os.DirEntry[str], path: str, files: dict[str, Signature]) -> None:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return  # it went away meanwhile
        if stat.S_ISREG(status.st_mode):
            files[path] = Signature.of(status)
        else:
            self._leave(path, f"is {kind_of(status.st_mode)}; a snapshot holds files only", special=True)

    def _leave(self, path: str, reason: str, *, special: bool) -> None:
        self._scan.unkept.append(Unkept(printable(path), reason, special))


def _own_rules(descriptor: int, raw: bytes, rules: Rules, names: Sequence[str]) -> Rules:
    for name in names:
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
        except OSError:
            continue  # there is none, or it is a link, which is refused where it is looked at
        with open(file, "rb") as opened:  # noqa: PTH123 - it is a descriptor
            if stat.S_ISREG(os.fstat(file).st_mode):
                data = opened.read(LARGEST + 1)
                # A project's own file repeats what counts without it; asking both would be asking the same twice.
                return (Rules() if not raw and _DEFAULT in b"\n" + data else rules).below(raw, data)
    return rules
