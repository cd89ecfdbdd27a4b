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
        path: As the file system has it; see ``shown``.
        special: It is no file (a link, a pipe, a device), as opposed to one with a name that cannot be kept, or a
            folder that cannot be read.
    """

    path: str
    reason: str
    special: bool

    @property
    def shown(self) -> str:
        """The path as a terminal and JSON can have it."""
        return printable(self.path)

    def __str__(self) -> str:
        return f"{self.shown}: {self.reason}"


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
        Unavailable: If a folder cannot be read that something tracked is in, or the disk fails.
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


def scan_ignored(scan: Scan, folders: Folders, place: str) -> None:
    """Look at a place and all below it, whatever ignore files say, and add it to what was seen.

    Raises:
        Unavailable: If the disk fails.
    """
    scan.unkept = [each for each in scan.unkept if each.path != place and not each.path.startswith(place + "/")]
    found = folders.look(place)
    if found is not None and stat.S_ISDIR(found.st_mode):
        descriptor = os.dup(folders.at(place))
        _Walk(scan, ()).enter(descriptor, f"{place}/", b"", Rules(), place.count("/") + 1)
    elif found is not None:
        _Walk(scan, ()).note(found, place)


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
                except PermissionError as error:
                    self._leave(prefix + name, f"cannot be read: {error.strerror}", special=False)
                    continue
                self.enter(inner, f"{prefix}{name}/", raw + name_raw + b"/", rules, depth + 1)
        except OSError as error:
            raise explain(error, prefix.rstrip("/")) from error
        finally:
            os.close(descriptor)

    def _look(self, descriptor: int, prefix: str, raw: bytes, rules: Rules) -> Iterator[tuple[str, bytes]]:
        """Note the files of a folder; yield the folders in it."""
        folded: dict[str, str] = {}
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
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it went away meanwhile
                self.note(status, prefix + name)

    def note(self, status: os.stat_result, path: str) -> None:
        """Take in a file, or name what is none."""
        if stat.S_ISREG(status.st_mode):
            self._scan.files[path] = Signature.of(status)
        else:
            self._leave(path, f"is {kind_of(status.st_mode)}; a snapshot holds files only", special=True)

    def _leave(self, path: str, reason: str, *, special: bool) -> None:
        self._scan.unkept.append(Unkept(path, reason, special))


def _own_rules(descriptor: int, raw: bytes, rules: Rules, names: Sequence[str]) -> Rules:
    for name in names:
        try:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
        except OSError:
            continue  # there is none, or it is a link, which is refused where it is looked at
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            continue
        with open(file, "rb") as opened:  # noqa: PTH123 - it is a descriptor
            data = opened.read(LARGEST + 1)
        # A project's own file repeats what counts without it; asking both would be asking the same twice.
        return (Rules() if not raw and _DEFAULT in b"\n" + data else rules).below(raw, data)
    return rules
