"""Being told to end while something is half done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def tidied_when_ended() -> Iterator[None]:
    """Let SIGTERM end the context as an interruption does, which tidies up, and the process after it.

    Only for the main thread.
    """
    ended = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        ended = True
        now = signal.getsignal(signal.SIGINT)  # the loop's, while it runs: it knows where it may be interrupted
        (now if callable(now) else signal.default_int_handler)(number, frame)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if ended:
            signal.raise_signal(signal.SIGTERM)
