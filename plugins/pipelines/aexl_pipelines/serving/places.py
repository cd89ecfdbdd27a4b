"""Where a request may work, and the files that it may name. Blocks for looks at the disk.

A folder that the configuration names may be worked in, and all that is below it, links followed. A pipeline
that comes with a request, or that it names, reads its files from there, and from the person's skills: no request
can have another file of the machine read to it by ``validate`` or ``materialize``. It is no sandbox: a pipeline
that *runs* runs programs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

from aexl.api import Host, ObjectId, Snapshots
from aexl.errors import Invalid, NotFound, Refused, Unavailable
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.execution.passthrough import load_passthrough
from aexl_pipelines.governing.options import PipelineOptions
from aexl_pipelines.language.discovery import choose, find_project
from aexl_pipelines.language.loading import Loaded, load_file, load_source
from aexl_pipelines.language.reader import Recorder
from aexl_pipelines.language.reading import LARGEST
from aexl_pipelines.language.skills import HOME_FOLDERS, SkillFinder, skill_folders
from aexl_pipelines.language.source import Source

INLINE: Final = "inline.aexl.yaml"
"""What a pipeline that came with a request is called."""


def allowed_folders(host: Host) -> tuple[Path, ...]:
    """Return the folders that the configuration allows, as they are without links."""
    given = host.current.section(PipelineOptions).folders
    return tuple(Path(each).expanduser().resolve() for each in given)


def check_folder(host: Host, given: str | None) -> Path:
    """Return the folder that a request names; the only allowed one where it names none.

    Raises:
        Refused: If requests may not work there.
        NotFound: If there is no such folder.
    """
    allowed = allowed_folders(host)
    if given is None and len(allowed) == 1:
        return allowed[0]
    if given is None:
        raise Refused("the request must name a 'folder'", code="folder_missing", status=400, param="folder")
    folder = _plain(Path(given))
    if not folder.is_absolute() or not _is_within(folder, allowed):
        reason = "add it to [pipelines] folders if requests may run programs there" if folder.is_absolute() else ""
        text = f"requests may not work in {given[:200]!r}; {reason or 'give the absolute path of a folder'}"
        raise Refused(text, code="folder_not_allowed", status=403, param="folder")
    try:
        there = folder.is_dir()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise NotFound(f"there is no folder {folder}")
    return folder


class ServerLoader:
    """Loads pipelines for requests; ``execution.ports.Load``. To be called in threads of trio's.

    Args:
        folder: What ``check_folder`` returned; ``None`` for a text that is only looked at, and names no files.
    """

    def __init__(self, host: Host, folder: Path | None) -> None:
        self.files = _Files(host, folder)
        self.finder = SkillFinder(
            (
                host.data_dir / "skills",
                *(skill_folders(find_project(folder), Path.home()) if folder is not None else ()),
            )
        )
        self.types = {name: kind.parse for name, kind in host.step_types().items()}
        self._host = host
        self._folder = folder

    def __call__(self, path: Path | None, known: Mapping[str, str] | None = None) -> Loaded:
        """Return what a file says, or the pipeline that counts where there is none."""
        if path is None:
            return load_passthrough(self._folder or Path("/"))
        files = self.files if known is None else Recorder(self.files, known)
        return load_file(path, files, self.finder, self.types)

    def wanted(self, path: str | None, inline: str | None) -> Loaded:
        """Return the pipeline that a request means, or all that is wrong with it.

        Args:
            path: A file in the folder, or a pipeline's name.
            inline: The text of one; without either, the folder's own.

        Raises:
            NotFound: If there is no such file.
            Invalid: If both are given, or neither and there is no folder to look in.
            Refused: If the file is outside of what requests may name.
        """
        if path is not None and inline is not None:
            raise Invalid("give pipeline_path or pipeline_inline, not both")
        if inline is not None:
            if len(inline.encode()) > LARGEST:
                raise Invalid(f"pipeline_inline has more than {LARGEST} bytes")
            if self._folder is None:
                return load_source(Source(INLINE, inline, None, None, "aexl"), self.files, self.finder, self.types)
            beside = (
                self._folder / INLINE
            )  # as if it were a file there: so its paths lead somewhere, and a resume finds it
            return self(beside, {str(beside): inline})
        if self._folder is None:
            raise Invalid("give pipeline_inline, or the folder that the pipeline is in")
        return self(_find(self._host, path, self._folder))


def _find(host: Host, given: str | None, folder: Path) -> Path | None:
    named = given if given is None or not given.endswith((".yaml", ".yml")) else str(folder / given)
    path = choose(named, folder, host.data_dir)
    if path is None:
        return None
    if not _is_within(_plain(path), (*allowed_folders(host), host.data_dir.resolve() / "pipelines")):
        text = f"requests may not name the file {given!r}; it is outside of [pipelines] folders"
        raise Refused(text, code="folder_not_allowed", status=403, param="pipeline_path")
    return path


class _Files(DiskFiles):
    """The files of allowed folders; addresses only where a command has fetched them before."""

    def __init__(self, host: Host, folder: Path | None) -> None:
        super().__init__(folder or Path("/"), Path.home(), self._fetched, self._unpacked)
        self._host = host
        own = [host.data_dir / name for name in ("pipelines", "skills", "cache")]
        skills = [Path.home() / name for name in HOME_FOLDERS]
        beside = [each.resolve() for each in (*own, *skills)]
        self._allowed = (*allowed_folders(host), *beside) if folder is not None else ()

    def read(self, path: Path, limit: int) -> str:
        """Return a file's text.

        Raises:
            Invalid: If requests may not name it.
        """
        if not _is_within(_plain(path), self._allowed):
            raise Invalid(f"the file {self.name_of(path)} is outside of [pipelines] folders")
        return super().read(path, limit)

    def _fetched(self, url: str, sha256: str) -> str:
        path = self._host.data_dir / "cache" / "pipelines" / sha256
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Unavailable(f"the server fetches nothing: run 'aexl pipeline validate' once for {url}")
        return data.decode("utf-8-sig")

    def _unpacked(self, id: str) -> Path:
        snapshots = self._host.service(Snapshots)
        if snapshots is None:
            raise Unavailable("nobody keeps snapshots here")
        folder = self._host.data_dir / "cache" / "snapshots" / id
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        trio.from_thread.run(snapshots.materialize, ObjectId(id), str(folder), True)
        return folder


def _is_within(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _plain(path: Path) -> Path:
    """Return a path without links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Invalid(f"{str(path)[:200]!r} is no path: {error}") from error
