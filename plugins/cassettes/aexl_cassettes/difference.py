"""Where two requests differ, for the person who wonders why there is no recording. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

_SHOWN: Final = 40
"""Characters of each side that are shown."""


def first_difference(recorded: object, asked: object, path: str = "") -> str | None:
    """Return a clause that says where two normal forms first differ, or ``None`` if they do not."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for name in (*recorded, *(name for name in asked if name not in recorded)):
            place = f"{path}.{name}" if path else str(name)
            if name not in asked:
                return f"{place}: recorded {_show(recorded[name])}, asked without it"
            if name not in recorded:
                return f"{place}: recorded without it, asked {_show(asked[name])}"
            found = first_difference(recorded[name], asked[name], place)
            if found:
                return found
        return None
    if isinstance(recorded, list) and isinstance(asked, list):
        for number, (one, other) in enumerate(zip(recorded, asked, strict=False)):
            found = first_difference(one, other, f"{path}[{number}]")
            if found:
                return found
        if len(recorded) != len(asked):
            return f"{path}: recorded {len(recorded)} items, asked {len(asked)}"
        return None
    if isinstance(recorded, str) and isinstance(asked, str):
        return None if recorded == asked else f"{path}: {_text_difference(recorded, asked)}"
    same = recorded == asked and isinstance(recorded, bool) == isinstance(asked, bool)
    return None if same else f"{path}: recorded {_show(recorded)}, asked {_show(asked)}"


def _text_difference(recorded: str, asked: str) -> str:
    at = next(
        (n for n, (one, other) in enumerate(zip(recorded, asked, strict=False)) if one != other),
        min(len(recorded), len(asked)),
    )
    begin = max(0, at - _SHOWN // 4)
    place = f" from character {at}" if at else ""
    return f"recorded {_show(recorded[begin:])}, asked {_show(asked[begin:])}{place}"


def _show(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def likeness(recorded: object, asked: object) -> int:
    """Return how many values two normal forms have in common, place by place."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        return sum(likeness(value, asked[name]) for name, value in recorded.items() if name in asked)
    if isinstance(recorded, list) and isinstance(asked, list):
        return sum(likeness(one, other) for one, other in zip(recorded, asked, strict=False))
    return int(recorded == asked)
