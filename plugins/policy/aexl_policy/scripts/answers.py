"""What a policy answered, checked. Standard library only: the worker uses it, and the host again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

Path = tuple[str, ...]
"""Where a value stands in a body: keys from the top."""

_REASON: Final = 500
_NO_REASON: Final = "no reason was given"
_SAMPLING_SURFACES: Final = frozenset({"chat", "completions", "responses", "messages"})

_GEMINI_KEYS: Final[Mapping[str, str]] = {"temperature": "temperature", "top_p": "topP"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one policy says: a reason against the call, or what to change of it."""

    deny: str | None = None
    patch: Mapping[str, object] = field(default_factory=dict)


ALLOW: Final = Verdict()


def read_answer(answer: object) -> Verdict:
    """Return what ``evaluate`` meant.

    Raises:
        ValueError: If it is not an answer; says why.
    """
    if answer is None or answer is True or answer == "allow":
        return ALLOW
    if answer is False:
        return Verdict(deny=_NO_REASON)
    if isinstance(answer, str):
        return Verdict(deny=clean(answer))
    if isinstance(answer, dict) and len(answer) == 1:
        if isinstance(answer.get("deny"), str):
            return Verdict(deny=clean(answer["deny"]))
        if isinstance(answer.get("patch"), dict):
            return Verdict(patch=check_patch(answer["patch"]))
    raise ValueError(f"it answered with {type(answer).__name__}, which is no answer")


def check_patch(patch: Mapping[object, object]) -> dict[str, object]:
    """Return a patch whose keys and values are allowed.

    Raises:
        ValueError: If one is not; names it.
    """
    checked: dict[str, object] = {}
    for key, value in patch.items():
        rule = _RULES.get(key) if isinstance(key, str) else None
        if rule is None:
            raise ValueError(f"it patched {clean(repr(key))}, which no policy may")
        if not rule(value):
            raise ValueError(f"it patched {key!r} to a value that cannot be")
        checked[str(key)] = value
    return checked


def places(patch: Mapping[str, object], surface: str, output_key: str) -> list[tuple[Path, object]]:
    """Return where a patch's values stand in a body of this dialect; what a dialect does not have is left out."""
    found: list[tuple[Path, object]] = []
    for key, value in patch.items():
        path: Path | None
        if surface == "gemini":
            path = _gemini_place(key, output_key)
        elif key == "model":
            path = (key,)
        elif surface in _SAMPLING_SURFACES:
            path = (output_key,) if key == "max_output_tokens" else (key,)
        else:
            path = None
        if path is not None:
            found.append((path, value))
    return found


def _gemini_place(key: str, output_key: str) -> Path | None:
    """Return a place below the object that the caller spelled in one of two ways, which the limit's key tells."""
    config, _, limit = output_key.partition(".")
    if key == "max_output_tokens":
        return config, limit
    return (config, _GEMINI_KEYS[key]) if key in _GEMINI_KEYS else None


def clean(text: str) -> str:
    """Return text for a log and a header: one line, at most 500 characters."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line[:_REASON] or _NO_REASON


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**53


def _is_between(value: object, most: float) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= most
    )


def _is_temperature(value: object) -> bool:
    return _is_between(value, 2)


def _is_share(value: object) -> bool:
    return _is_between(value, 1)


_RULES: Final[Mapping[str, Callable[[object], bool]]] = {
    "model": _is_name,
    "max_output_tokens": _is_count,
    "temperature": _is_temperature,
    "top_p": _is_share,
}
