"""Working ahead in threads: results in order, while those that follow are under way."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS: Final = min(4, os.cpu_count() or 1)
AHEAD: Final = 2 * THREADS
"""Results that wait at most, and so what memory they take."""


def work_ahead(work: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """Yield what ``work`` makes of each item, in order; it runs in threads, at most ``AHEAD`` items before its turn.

    Threads are begun with the first item. What ``work`` raises is raised here. Closing
    the generator waits for what runs, and drops what waits.
    """
    further = iter(items)
    first = list(islice(further, AHEAD))
    if not first:
        return
    from concurrent.futures import ThreadPoolExecutor  # takes a while to import

    with ThreadPoolExecutor(THREADS, thread_name_prefix="aexl-snapshots") as pool:
        waiting = deque(pool.submit(work, item) for item in first)
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(further, 1))
                yield result
        finally:
            for each in waiting:
                each.cancel()
