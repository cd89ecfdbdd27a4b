"""What a client is to be told in its answer, beside the answer itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from aexl.api import Usage
from aexl_translation.answer import Head
from aexl_translation.names import Names


class Asked(msgspec.Struct, kw_only=True):
    """The call, as far as its answer must repeat or regard it.

    Attributes:
        id: The execution's id, from which ids of the answer are made.
        model: What the provider was asked for, where it does not say what answered.
        now: Unix time.
        wants_usage: A stream shall say what was consumed.
        names: The way back from the provider's names of tools.
        echo: The client's own fields, for a dialect that says them again.
        usage: What the provider's reply says was consumed, as soon as it is known.
    """

    id: str
    model: str
    now: int
    wants_usage: bool
    names: Names
    echo: Mapping[str, object] = {}
    usage: Callable[[], Usage | None]

    def identity(self, head: Head, prefix: str) -> tuple[str, int, str]:
        """Return id, time and model of the answer in the client's dialect."""
        id = head.id if head.id.startswith(prefix) else f"{prefix}{head.id or self.id}"
        return id, head.created or self.now, head.model or self.model
