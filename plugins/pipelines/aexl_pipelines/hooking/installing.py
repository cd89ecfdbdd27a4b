"""Writing our entries to a CLI's settings files."""

from __future__ import annotations

import difflib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from aexl.api import own_program
from aexl.errors import Unavailable
from aexl_pipelines.hooking.dialects import Dialect, Scope
from aexl_pipelines.hooking.entries import HookOptions, put_in, take_out
from aexl_pipelines.hooking.jsonc import parse


def program_words(scope: Scope) -> list[str]:
    """Return the words that start aexl from a CLI: its name in a project, which others share, else its path."""
    path = shutil.which("aexl")
    if path is None:
        return own_program()
    return ["aexl"] if scope == "project" else [str(Path(path).absolute())]


class SettingsFile:
    """One settings file, changed whole or not at all. Blocks.

    Args:
        path: It need not be there; one that is a link is changed where it leads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self.before = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self.before = ""
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"{path} cannot be read: {error}") from error
        self.after = self.before

    @property
    def changed(self) -> bool:
        """Whether there is something to write."""
        return self.after != self.before

    def install(self, dialect: Dialect, program: Sequence[str], options: HookOptions) -> None:
        """Put our entries in; see ``entries.put_in``."""
        self._change(lambda text: put_in(text, dialect, program, options, str(self.path)))

    def remove(self, dialect: Dialect) -> None:
        """Take them out."""
        self._change(lambda text: take_out(text, dialect, str(self.path)) if text.strip() else text)

    def _change(self, change: Callable[[str], str]) -> None:
        self.after = change(self.after)
        parse(self.after or "{}", str(self.path))  # what a CLI could not read is never written

    def diff(self) -> str:
        """Return what would change, as a unified diff."""
        lines = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        found = difflib.unified_diff(*lines, fromfile=str(self.path), tofile=str(self.path), n=2)
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in found)

    def write(self) -> None:
        """Replace the file; one that has only held our entries goes.

        Raises:
            Unavailable: If it cannot be written, or somebody has changed it meanwhile.
        """
        try:
            current = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            if current != self.before:
                raise Unavailable(f"{self.path} was changed by somebody else this moment; do it again")
            if self.path.name == "hooks.json" and self.after.strip() in {"{}", ""}:
                self.path.unlink(missing_ok=True)
            else:
                _replace(self.path, self.after)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror or error}") from error


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
