"""Files that stay packed in the onefile until something imports what they belong to.

``dist/freezing/later.py`` decides which; ``dist/early.py`` switches this on
before anything else is imported.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import MutableMapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

from aexl.core.frozen.archive import DENSE_SUFFIX, Archive

PREFIX: Final = "later/"
"""What the names of packed files begin with; the bootloader leaves these where they are."""

TABLE: Final = "later.modules"
"""The file that says which import needs which group of files."""


class Deferred:
    """Looks at the name of each import, unpacks what it needs, and leaves the finding to others.

    Args:
        waiting: Groups by the full names of modules.
        archive: The program's own file.
        folder: Where it is unpacked.
    """

    def __init__(self, waiting: MutableMapping[str, str], archive: str, folder: str) -> None:
        self._waiting = waiting
        self._archive = archive
        self._folder = folder
        self._opened: Archive | None = None

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the interface
        target: ModuleType | None = None,  # noqa: ARG002 - likewise
    ) -> ModuleSpec | None:
        """Unpack what the module needs, the first time."""
        group = self._waiting.get(name)
        if group is not None:
            self._unpack(f"{PREFIX}{group}/")
            for module in [module for module, its in self._waiting.items() if its == group]:
                del self._waiting[module]
        return None

    def unpack_all(self) -> None:
        """Unpack everything that is left, for children that cannot write where we are unpacked."""
        for group in sorted(set(self._waiting.values())):
            self._unpack(f"{PREFIX}{group}/")
        self._waiting.clear()

    def _unpack(self, prefix: str) -> None:
        if self._opened is None:
            self._opened = Archive(self._archive)
        found = [
            entry
            for entry in self._opened.entries
            if entry.name.startswith(prefix) and not self._is_there(entry.name.removeprefix(prefix))
        ]
        self._opened.extract(found, self._folder, prefix=prefix)
        # Finders remember what a folder had in it, by a time that may be the same still. Not with importlib's own
        # function: it imports importlib.metadata.
        for finder in list(sys.path_importer_cache.values()):
            forget = getattr(finder, "invalidate_caches", None)
            if forget is not None:
                forget()

    def _is_there(self, name: str) -> bool:
        """Return whether a process has unpacked a file before us; files appear whole or not at all."""
        return os.path.exists(os.path.join(self._folder, name.removesuffix(DENSE_SUFFIX)))  # noqa: PTH110, PTH118 - pathlib is not imported this early


def defer() -> None:
    """Unpack at import what the frozen program has left packed. Does nothing where everything is in its place."""
    folder: str = sys._MEIPASS  # type: ignore[attr-defined]  # PyInstaller's  # noqa: SLF001
    try:
        with open(f"{folder}/{TABLE}", "rb") as file:  # noqa: PTH123 - pathlib is not imported this early
            waiting = marshal.load(file)  # noqa: S302 - our own file
    except FileNotFoundError:
        return
    sys.meta_path.insert(0, Deferred(waiting, sys.executable, folder))
