"""Indexes of packs that are somewhere else, kept so that they are asked for once. For worker threads.

A pack never changes, and neither does its index; what is kept is checked by its
own hash, so a damaged or half-written file only costs another look.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.objects import pack

FOLDER: Final = "indexes"
"""In a repository's folder; it may be removed at any time."""


class IndexCache:
    """Indexes by pack.

    Args:
        folder: Made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, id: ObjectId, size: int) -> Sequence[pack.Row] | None:
        """Return a pack's rows, if they are kept.

        Args:
            size: Bytes of the pack.
        """
        try:
            data = (self._folder / id).read_bytes()
            footer = pack.decode_footer(data[-pack.FOOTER_SIZE :], size, "a kept index")
            return pack.decode_index(data[: -pack.FOOTER_SIZE], footer, "a kept index")
        except (OSError, Invalid):
            return None

    def keep(self, id: ObjectId, size: int, rows: Sequence[pack.Row]) -> None:
        """Keep a pack's rows; a disk that cannot is no error, because they can be asked for again."""
        data = pack.encode_index(rows, size - pack.FOOTER_SIZE - pack.index_size(len(rows)))
        unfinished = self._folder / f"{secrets.token_hex(8)}.unfinished"
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            unfinished.write_bytes(data)
            unfinished.rename(self._folder / id)

    def clear(self) -> None:
        """Forget everything."""
        with suppress(OSError):
            for path in list(self._folder.iterdir()):
                path.unlink()
