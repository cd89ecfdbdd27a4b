"""The table ``[cassettes]`` of ``aexl.toml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

Mode = Literal["off", "record", "replay"]
Timing = Literal["recorded", "none"]
Repeat = Literal["last", "miss"]


class CassettesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``[cassettes]``.

    Attributes:
        mode: ``off``, ``record`` what providers answer, or ``replay`` it without asking them.
        folder: Where the recordings lie; relative to the home.
        timing: Replay with the ``recorded`` pauses, or with ``none``.
        repeat: A request that is asked more often than it was recorded gets the ``last`` answer again, or is a ``miss``.
        ignore: Further paths of the body that do not count when requests are compared, as in ``messages.*.id``.
        blur: Further regular expressions; what they match in a text counts as equal.
        headers: Request headers that count when requests are compared.
        answer_bytes: The longest answer that is recorded; a longer one passes and is not kept.
    """

    mode: Mode = "off"
    folder: str = "cassettes"
    timing: Timing = "recorded"
    repeat: Repeat = "last"
    ignore: tuple[str, ...] = ()
    blur: tuple[str, ...] = ()
    headers: tuple[str, ...] = ("anthropic-beta", "anthropic-version", "openai-beta")
    answer_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for pattern in self.blur:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"blur has {pattern!r}, which is no regular expression: {error}") from error
        if self.answer_bytes < 0:
            raise ValueError("answer_bytes must not be negative")

    def place(self, home: Path) -> Path:
        """Return the folder, as an absolute path."""
        return home / Path(self.folder).expanduser()
