"""Secrets, put out of everything that is kept or shown. Pure."""

from __future__ import annotations

import json
import re
from typing import Final, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

MASK: Final = "***"
SHORTEST: Final = 4
"""Characters; a shorter secret would be found in every text."""


_TOKEN: Final = r"aexl_[A-Za-z0-9]+_[A-Za-z0-9_-]{8,}"  # noqa: S105 - what tokens look like
_TOKEN_BEGUN: Final = re.compile(r"(?:a|ae|aex|aexl|aexl_[A-Za-z0-9_-]*)\Z")
_LONGEST_TOKEN: Final = 200


class Masker:
    """Knows the secrets of a run and of the runs below it."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._tokens = False
        self._pattern: re.Pattern[str] | None = None
        self.longest = 0

    @property
    def has_secrets(self) -> bool:
        """Whether there is anything to mask."""
        return self._pattern is not None

    def add_tokens(self) -> None:
        """Mask whatever has the form of a ledger's token: each attempt of a governed step has one of its own."""
        self._tokens = True
        self._compile()

    def add(self, secret: str) -> None:
        """Learn of a secret; each line of one that has several, and how it looks in JSON, are masked as well."""
        forms = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
        forms |= {json.dumps(form)[1:-1] for form in forms}
        self._secrets |= {form for form in forms if len(form) >= SHORTEST}
        self.longest = max(map(len, self._secrets), default=0)
        self._compile()

    def _compile(self) -> None:
        words = [re.escape(word) for word in sorted(self._secrets, key=len, reverse=True)]
        words += [_TOKEN] if self._tokens else []
        self._pattern = re.compile("|".join(words)) if words else None

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: object) -> object:
        """Return a JSON value without secrets."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value

    def record(self, record: S) -> S:
        """Return a record without secrets."""
        if self._pattern is None:
            return record
        plain = self.value(msgspec.to_builtins(record, enc_hook=str))
        return msgspec.convert(plain, type(record))

    def unfinished(self, text: str) -> int:
        """Return how many characters at the end of a text may be the begin of a secret."""
        for length in range(min(self.longest - 1, len(text)), 0, -1):
            if any(secret.startswith(text[-length:]) for secret in self._secrets):
                return length
        return 0

    def unfinished_token(self, text: str) -> int:
        """Return how many characters at the end of a text may be a token, or the begin of one."""
        found = _TOKEN_BEGUN.search(text[-_LONGEST_TOKEN:]) if self._tokens else None
        return len(found[0]) if found is not None else 0


class StreamMask:
    """Masks a text that comes in pieces: what may be the begin of a secret waits for the next piece."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what can be shown now."""
        if not self._masker.has_secrets:
            return piece
        raw = self._held + piece
        begun = self._masker.unfinished_token(raw)  # of any length, so it is looked for before it can be masked
        text = self._masker.text(raw[: len(raw) - begun])
        held = self._masker.unfinished(text)
        self._held = text[len(text) - held :] + raw[len(raw) - begun :]
        return text[: len(text) - held]

    def finish(self) -> str:
        """Return what was held back: nothing follows it any more."""
        held, self._held = self._held, ""
        return self._masker.text(held)
