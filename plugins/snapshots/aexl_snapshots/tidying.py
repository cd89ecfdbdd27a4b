"""Gathering the many small packs that many small commits leave; every now and then, on the way.

Only packs that are old enough are touched: a younger one may be of a push into
this repository that has not moved its head yet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from aexl_snapshots.objects import pack
from aexl_snapshots.packs import Pack, pack_name
from aexl_snapshots.progress import unwatched
from aexl_snapshots.writer import Writer

if TYPE_CHECKING:
    from aexl_snapshots.repository import Repository

MANY: Final = 64
SMALL: Final = 1024 * 1024
SETTLED: Final = 3600.0
"""Seconds. A push checks its packs again before it moves a head when it has taken half as long."""


def tidy(repository: Repository) -> int:
    """Write small packs into large ones, if there are many; return how many went. Nobody else may write.

    Raises:
        Unavailable: If the disk fails; nothing is lost.
        Invalid: If an object is damaged; names it.
    """
    repository.packs.refresh()
    small = _small_packs(list(repository.packs.packs.values()))
    if len(small) <= MANY:
        return 0
    staying = {row.id for each in repository.packs.packs.values() if each not in small for row in each.rows}
    with Writer(repository.directory, lambda each: bytes.fromhex(each) in staying, unwatched()) as writer:
        for each in small:
            for row in each.rows:
                if row.id not in staying:
                    frame = each.frame(row)
                    pack.open_frame(row, frame, each.what)
                    writer.put_frame(row, frame)
    new = {id for id, _ in writer.packs}
    gone = [each.id for each in small if each.id not in new]
    repository.list_packs_anew(without=gone)
    for id in gone:
        repository.directory.delete(pack_name(id))
    repository.packs.refresh()
    return len(gone)


def _small_packs(packs: Sequence[Pack]) -> list[Pack]:
    latest = time.time() - SETTLED
    return [each for each in packs if each.size < SMALL and each.path.stat().st_mtime < latest]
