"""Reading a journal while another process writes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import trio

from aexl.errors import NotFound
from aexl_pipelines.journal.lines import BEGIN, Written, decode_lines
from aexl_pipelines.journal.records import RunEnded
from aexl_pipelines.journal.writing import NAME, is_driven

LOOK: Final = 0.2
"""Seconds between two looks at the file."""


async def follow(folder: Path, *, look: float = LOOK) -> AsyncGenerator[Written, None]:
    """Yield a run's records, those that are there and then those that come, until the run is over.

    It is over with its end, or when nobody drives it any more. Use it in ``aclosing``.

    Raises:
        NotFound: If there is no journal.
        Invalid: If it is damaged.
    """
    position = BEGIN
    while True:
        driven = await trio.to_thread.run_sync(is_driven, folder)
        data = await trio.to_thread.run_sync(_read_from, folder, position.size)
        last: Written | None = None
        for written, behind in decode_lines(data, position):
            last, position = written, behind
            yield written
        if not driven or (last is not None and isinstance(last.record, RunEnded)):
            return
        await trio.sleep(look)


def _read_from(folder: Path, start: int) -> bytes:
    try:
        with (folder / NAME).open("rb") as file:
            file.seek(start)
            return file.read()
    except OSError as error:
        raise NotFound(f"the run {folder.name} has no journal: {error.strerror or error}") from error
