"""Words that mean the same: a question about holidays finds the passage about leave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

_WORD = re.compile(r"\w+")


class Synonyms:
    """Replaces words by what they mean, also over several steps (``holiday`` → ``leave`` → ``absence``).

    Raises:
        ValueError: If words mean each other in a circle.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        folded = {word.casefold(): meaning.casefold() for word, meaning in pairs.items()}
        try:
            order = tuple(TopologicalSorter({word: {meaning} for word, meaning in folded.items()}).static_order())
        except CycleError as error:
            raise ValueError(f"synonyms go in a circle: {' → '.join(error.args[1])}") from error
        self._meanings: dict[str, str] = {}
        for word in order:  # what a word means comes before it, so one step reaches the end of the chain
            meaning = folded.get(word, word)
            self._meanings[word] = self._meanings.get(meaning, meaning)

    def fold(self, text: str) -> bytes:
        """Return the text for comparing: lower case, synonyms replaced, one blank between words."""
        words = (self._meanings.get(word, word) for word in _WORD.findall(text.casefold()))
        return f" {' '.join(words)} ".encode()
