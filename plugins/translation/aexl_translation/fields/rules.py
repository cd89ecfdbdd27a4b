"""Whether a field is carried over, refused or left out; asked by the readers for every object of a request.

A field of a client that no table knows is refused as well: nothing is dropped
without somebody having decided it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from aexl_translation.refusals import Untranslatable, show

_NOTHING: Final[tuple[object, ...]] = (None, False, "", [], {})
"""Values that ask for nothing, whatever the field."""


class Rule(NamedTuple):
    """What becomes of a field.

    Attributes:
        fate: ``mapped`` is carried over; ``refused`` makes the call fail, unless its value asks for nothing;
            ``ignored`` is left out, because the answer is right without it.
        why: Where it goes, or the reason.
        neutral: Further values of a refused field that ask for nothing.
    """

    fate: Literal["mapped", "refused", "ignored"]
    why: str
    neutral: tuple[object, ...] = ()


Fields = Mapping[str, Rule]
Tables = Mapping[str, Fields]


def to(where: str) -> Rule:
    """Return the rule of a field that is carried over."""
    return Rule("mapped", where)


def no(why: str, *neutral: object) -> Rule:
    """Return the rule of a field that is refused."""
    return Rule("refused", why, neutral)


def skip(why: str) -> Rule:
    """Return the rule of a field that is left out."""
    return Rule("ignored", why)


class Check:
    """Holds the objects of a request to the tables of their dialect.

    Args:
        tables: The fields of each kind of object.
        lenient: Leave out what no table knows, instead of refusing it.
    """

    def __init__(self, tables: Tables, *, lenient: bool) -> None:
        self._tables = tables
        self._lenient = lenient
        self._plain = {
            kind: frozenset(name for name, rule in fields.items() if rule.fate != "refused")
            for kind, fields in tables.items()
        }

    def __call__(self, kind: str, value: Mapping[str, object], where: str = "") -> None:
        """Let an object pass.

        Args:
            kind: The table's name for such an object.
            value: The object.
            where: Its place in the request, with a dot at the end.

        Raises:
            Untranslatable: If a field of it is refused.
        """
        if not self._plain[kind].issuperset(value):
            self._look(kind, value, where)

    def _look(self, kind: str, value: Mapping[str, object], where: str) -> None:
        fields = self._tables[kind]
        for name, item in value.items():
            rule = fields.get(name)
            if rule is None:
                if not self._lenient and item is not None:
                    raise Untranslatable(
                        f"{where}{name} is not known to the translation between dialects, so it is not left out "
                        f'silently; remove it, or set unknown = "ignore" under [translation]',
                        f"{where}{name}",
                    )
            elif rule.fate == "refused" and item not in _NOTHING and item not in rule.neutral:
                raise Untranslatable(
                    f"{where}{name} ({show(item)}) cannot be translated: {rule.why}; remove it, "
                    f"or use a model whose provider speaks this dialect itself",
                    f"{where}{name}",
                )
