"""A git repository's history as snapshots, read through git itself."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from aexl.api import ObjectId
from aexl.errors import Invalid, NotFound, Unavailable
from aexl_snapshots.keys import author_key
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import check_ref_name
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.committing import Author

_PERSON: Final = re.compile(rb"(?P<name>.*?) ?<(?P<mail>[^>]*)> (?P<time>-?[0-9]+) [+-][0-9]{4}")
_FILES: Final = {b"100644": "file", b"100664": "file", b"100755": "exec"}


class Imported(NamedTuple):
    """What came of it.

    Attributes:
        head: The snapshot of git's ``HEAD``.
        tags: By name.
        snapshots: How many.
        left_out: Links and submodules, by path.
    """

    head: ObjectId
    tags: dict[str, ObjectId]
    snapshots: int
    left_out: tuple[str, ...]


class Git:
    """One ``git cat-file --batch`` on a repository, with nothing of the user's configuration.

    Raises:
        NotFound: If the folder is no git repository.
        Unavailable: If git is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        self._environ = {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        self.run("rev-parse", "--git-dir")
        self._process = subprocess.Popen(
            self._command("cat-file", "--batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environ,
        )

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-c", "safe.directory=*", "-C", str(self._folder), *arguments]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._process.kill()

    def run(self, *arguments: str) -> str:
        """Return what a git command prints."""
        try:
            done = subprocess.run(self._command(*arguments), capture_output=True, check=False, env=self._environ)
        except FileNotFoundError as error:
            raise Unavailable("git is needed to read a git repository, and is not installed") from error
        if done.returncode != 0:
            raise NotFound(f"{self._folder}: {done.stderr.decode(errors='replace').strip() or 'git failed'}")
        return done.stdout.decode(errors="replace")

    def read(self, name: str) -> bytes:
        """Return an object's bytes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(name.encode() + b"\n")
        self._process.stdin.flush()
        head = self._process.stdout.readline().split()
        if len(head) != 3:
            raise NotFound(f"{self._folder}: the git object {name} is missing")
        data = self._process.stdout.read(int(head[2]))
        self._process.stdout.read(1)
        return data


def import_git(repository: Repository, folder: Path, author: Author, meter: Meter) -> Imported:
    """Store the history of a git repository's ``HEAD`` and tags.

    Links and submodules are left out, because a snapshot holds files only.

    Raises:
        NotFound: If there is no git repository, or it has no commit.
        Invalid: If a path in it cannot be kept; names commit and path.
        Unavailable: If git is not installed.
    """
    with Git(folder) as git, repository.writing():
        importer = _Importer(repository, git, author, meter)
        head = git.run("rev-parse", "--verify", "HEAD^{commit}").strip()
        tags = dict(_tags(git))
        for commit in git.run("rev-list", "--topo-order", "--reverse", head, *tags.values()).split():
            importer.add(commit)
        made = importer.made
        return Imported(
            head=made[head],
            tags={name: made[commit] for name, commit in tags.items()},
            snapshots=len(made),
            left_out=tuple(sorted(importer.left_out)),
        )


def _tags(git: Git) -> Iterator[tuple[str, str]]:
    """Yield the tags of commits whose names can be kept."""
    listed = git.run("for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags")
    for line in listed.splitlines():
        name, *ids = line.split(" ")
        commit = [each for each in ids if each][-1]
        try:
            check_ref_name(name)
            git.run("rev-parse", "--verify", f"{commit}^{{commit}}")
        except (Invalid, NotFound):
            continue
        yield name, commit


class _Importer:
    def __init__(self, repository: Repository, git: Git, author: Author, meter: Meter) -> None:
        self._repository = repository
        self._git = git
        self._author = author
        self._key = author_key(author.home)
        self._meter = meter
        self._blobs: dict[str, tuple[ObjectId, int]] = {}
        self.made: dict[str, ObjectId] = {}
        self.left_out: set[str] = set()

    def add(self, commit: str) -> None:
        headers, message = _split_commit(self._git.read(commit))
        with self._repository.writer(self._meter) as writer:
            entries = []
            for raw, mode, name in self._files(headers[b"tree"][0].decode(), b""):
                if name not in self._blobs:
                    data = self._git.read(name)
                    self._blobs[name] = writer.put(data, object_id(data)), len(data)
                entries.append(
                    Entry(_path(raw, commit), "exec" if mode == "exec" else "file", *_turn(self._blobs[name]))
                )
            try:
                manifest = Manifest(entries)
            except Invalid as error:
                raise Invalid(f"commit {commit[:12]}: {error}") from error
            who, seconds = _read_person(headers[b"author"][0])
            snapshot = Snapshot(
                manifest=writer.put_manifest(manifest),
                parents=tuple(dict.fromkeys(self.made[parent.decode()] for parent in headers.get(b"parent", ()))),
                author=who,
                message=_clean(message),
                time=max(0, seconds) * 1000,
                metadata={"git.commit": commit},
            ).sign(self._key)
            self.made[commit] = writer.put_snapshot(snapshot)

    def _files(self, tree: str, prefix: bytes) -> Iterator[tuple[bytes, str, str]]:
        """Yield path, mode and id of each file below a tree."""
        data, at = self._git.read(tree), 0
        while at < len(data):
            space, end = data.index(b" ", at), data.index(b"\0", at)
            mode, path = data[at:space], prefix + data[space + 1 : end]
            name, at = data[end + 1 : end + 21].hex(), end + 21
            if mode == b"40000":
                yield from self._files(name, path + b"/")
            elif mode in _FILES:
                yield path, _FILES[mode], name
            else:
                self.left_out.add(path.decode(errors="replace"))


def _turn(stored: tuple[ObjectId, int]) -> tuple[int, ObjectId]:
    return stored[1], stored[0]


def _path(raw: bytes, commit: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"commit {commit[:12]}: the path {raw!r} is not UTF-8") from error


def _split_commit(data: bytes) -> tuple[dict[bytes, list[bytes]], str]:
    head, _, message = data.partition(b"\n\n")
    headers: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\n"):
        if not line.startswith(b" "):  # such a one goes on with a signature
            name, _, value = line.partition(b" ")
            headers.setdefault(name, []).append(value)
    return headers, message.decode(errors="replace")


def _read_person(line: bytes) -> tuple[str, int]:
    found = _PERSON.fullmatch(line)
    if found is None:
        return "unknown", 0
    text = f"{found['name'].decode(errors='replace')} <{found['mail'].decode(errors='replace')}>".strip()
    return "".join(c for c in text if c.isprintable())[:256], int(found["time"])


def _clean(message: str) -> str:
    """Return a message without the characters that a snapshot's may not have."""
    return "".join(c for c in message.strip("\n") if c.isprintable() or c in "\n\t")[: 64 * 1024]
