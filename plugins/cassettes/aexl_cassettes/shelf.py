"""Which recording answers a request: found by the normal form, taken in the order in which they were made."""

from __future__ import annotations

import heapq
from typing import Final

from aexl.errors import AexlError
from aexl_cassettes.config import Repeat
from aexl_cassettes.difference import first_difference, likeness
from aexl_cassettes.folder import Entry, Folder
from aexl_cassettes.normal import Rules
from aexl_cassettes.requests import Request

COMPARED: Final = 200
"""Recordings that a request without an answer is compared with, the newest ones of its kind."""


class Shelf:
    """The recordings of a folder as they were at ``load``.

    Args:
        folder: Where they lie.
        rules: How requests are compared.
        repeat: What happens when a request is asked more often than it was recorded.
    """

    def __init__(self, folder: Folder, rules: Rules, repeat: Repeat) -> None:
        self._folder = folder
        self._rules = rules
        self._repeat = repeat
        self._entries: list[Entry] = []
        self._answers: dict[str, list[str]] = {}
        self._taken: dict[str, int] = {}
        self.problems: list[str] = []

    def load(self) -> None:
        """Read what there is. Blocks.

        Fingerprints are taken anew, so that rules can change without recording again.
        """
        entries, self.problems = self._folder.list()
        answers: dict[str, list[str]] = {}
        for entry in entries:
            answers.setdefault(self._rules.fingerprint(entry.asked.request), []).append(entry.id)
        self._entries, self._answers = entries, answers

    def __len__(self) -> int:
        return len(self._entries)

    def take(self, fingerprint: str) -> str | None:
        """Return the name of the next recording with this fingerprint, or ``None`` if there is none."""
        names = self._answers.get(fingerprint, ())
        taken = self._taken.get(fingerprint, 0)
        if taken < len(names):
            self._taken[fingerprint] = taken + 1
            return names[taken]
        return names[-1] if names and self._repeat == "last" else None

    def explain(self, request: Request, fingerprint: str) -> str:
        """Return a sentence that says why there is no answer, and what comes nearest. Blocks."""
        what = f"no recording in {self._folder.path} answers {request.line} (model {request.model})"
        known = self._answers.get(fingerprint)
        if known:
            times = "once" if len(known) == 1 else f"{len(known)} times"
            return f"{what} again: it was recorded {times}, and that has been replayed"
        if not self._entries:
            unread = f"; {len(self.problems)} files there cannot be read" if self.problems else ""
            return f"{what}: there is no recording at all{unread}"
        asked = self._rules.normal(request)
        nearest = self._nearest(request, asked)
        difference = first_difference(self._rules.normal(nearest.asked.request), asked)
        return f"{what}; the nearest is {nearest.id}, which differs at {difference}"

    def _nearest(self, request: Request, asked: dict[str, object]) -> Entry:
        """Return the entry that has most in common with a request."""
        newest = heapq.nlargest(
            COMPARED,
            enumerate(self._entries),
            key=lambda item: (_kinship(item[1].asked.request, request), item[0]),
        )
        ranked = [
            (_kinship(entry.asked.request, request), likeness(self._rules.normal(entry.asked.request), asked), place)
            for place, entry in newest
        ]
        return self._entries[max(ranked)[2]]

    def mark(self, id: str, at: float) -> str | None:
        """Note that a recording was replayed; return why that cannot be noted."""
        try:
            self._folder.mark(id, at)
        except OSError as error:
            return f"{self._folder.path} cannot be written ({error.strerror}), so prune --unused will not know"
        return None

    def broken(self, id: str, error: AexlError) -> str:
        """Return a sentence for a recording that cannot be replayed."""
        return f"the recording {id} cannot be replayed: {error}"


def _kinship(one: Request, other: Request) -> int:
    """Return how alike two requests are before their bodies are looked at."""
    return sum(
        (
            4 * (one.surface == other.surface and one.path == other.path),
            2 * (one.model == other.model),
            one.provider == other.provider,
        )
    )
