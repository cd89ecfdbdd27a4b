"""From YAML's events to the tree, within bounds: what is too large, too deep or too clever is refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aexl_pipelines.language.answers import whole_text
from aexl_pipelines.language.problems import Report, suggest
from aexl_pipelines.language.source import AnyNode, Fields, Items, Plain, Scalar, Source

LARGEST: Final = 1 << 20
"""Bytes of a file. A thousand steps are a fifth of it."""
MOST_NODES: Final = 60_000
"""Keys and values of a file, those that an alias repeats included: some five seconds of reading."""
DEEPEST: Final = 60
"""Levels of nesting; eight loops in one another need forty."""

_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: Final[Mapping[str, Plain]] = {"": None, "~": None} | {
    spelled: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelled in (word, word.capitalize(), word.upper())
}
_OWN_TAGS: Final = {None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_TEXT_TAGS: Final = {"!", "tag:yaml.org,2002:str"}


_FLATTEN: Final = "put parts into files of their own, with pipeline: PATH"


class _Stop(Exception):
    """Reading cannot go on; what is wrong was reported."""


def plain_value(text: str) -> Plain:
    """Return what an unquoted scalar means, by YAML 1.2's core schema: ``yes`` and ``1_000`` are texts."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def read_yaml(source: Source, report: Report) -> AnyNode | None:
    """Return the tree of a file, or ``None`` after having reported why there is none.

    Duplicate keys, foreign tags and wrong aliases are reported each, and reading goes on.
    """
    if len(source.text) > LARGEST:
        report.problem(source.place(), f"the file has more than {LARGEST} characters", "split it with pipeline: PATH")
        return None
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    builder = _Builder(source, report)
    try:
        return builder.document(iter(YAML(typ="safe", pure=True).parse(source.text)))
    except _Stop:
        return None
    except YAMLError as error:
        _report_syntax(source, report, error)
    except (ValueError, AttributeError, IndexError, TypeError, AssertionError) as error:
        # The library stumbles in these ways over what is not YAML at all; the text is at fault, not we.
        report.problem(source.place(), f"this is not YAML ({error})", "write the file as text", "config/invalid-yaml")
    except RecursionError:
        report.problem(source.place(), "this is nested too deeply", _FLATTEN, "config/invalid-yaml")
    return None


def _report_syntax(source: Source, report: Report, error: Exception) -> None:
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = source.place(mark.line + 1, mark.column + 1) if mark is not None else source.place()
    position = getattr(error, "position", None)
    if mark is None and isinstance(position, int):
        place = source.place_of(position)
    what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split("\n")[0]
    hint = ""
    if "mapping values are not allowed" in what:
        hint = "put a text that has ': ' in it into quotes"
    elif "found character '\\t'" in what or "cannot start any token" in what:
        hint = "indent with spaces, and put texts that begin with a special character into quotes"
    elif "flow" in what:
        hint = "put a text that begins with { or [ into quotes"
    elif "block mapping" in what or "block end" in what:
        hint = "keys of one mapping stand in one column"
    report.problem(place, f"this is not YAML: {what}", hint, "config/invalid-yaml")


class _Builder:
    """Makes nodes of events; counts them, and what aliases repeat."""

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._anchors: dict[str, tuple[AnyNode, int]] = {}
        self._open: set[str] = set()
        self._count = 0

    def document(self, events: Iterator[Any]) -> AnyNode | None:
        root: AnyNode | None = None
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and root is not None:
                self._say(event, "a file holds one pipeline; this is a second document", "remove the line ---")
                raise _Stop
            if kind in {"StreamStartEvent", "DocumentStartEvent", "DocumentEndEvent", "CommentEvent"}:
                continue
            if kind == "StreamEndEvent":
                break
            root = self._node(event, events, 0)
        if root is None:
            self._report.problem(self._source.place(), "the file is empty", "write 'pipeline:' and its steps")
        return root

    def _say(self, event: Any, message: str, suggestion: str = "") -> None:
        mark = event.start_mark
        place = self._source.place(mark.line + 1, mark.column + 1)
        self._report.problem(place, message, suggestion, "config/invalid-yaml")

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> AnyNode:
        if type(event).__name__ == "AliasEvent":
            return self._alias(event)
        self._add(event, 1)
        if depth > DEEPEST:
            self._say(event, f"this is nested more than {DEEPEST} levels deep", _FLATTEN)
            raise _Stop
        before, anchor = self._count, event.anchor
        if event.tag not in _OWN_TAGS:
            self._say(event, f"the tag {str(event.tag)[:60]!r} means nothing here", "remove it")
        if anchor is not None:
            self._open.add(anchor)
        node = self._made(event, events, depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = node, self._count - before + 1
        return node

    def _made(self, event: Any, events: Iterator[Any], depth: int) -> AnyNode:
        at = self._source, event.start_mark.line + 1, event.start_mark.column + 1
        match type(event).__name__:
            case "ScalarEvent":
                text = self._text(event)
                plain = event.style is None and event.tag not in _TEXT_TAGS
                return Scalar(*at, plain_value(text) if plain else text, text, event.style or "")
            case "SequenceStartEvent":
                items = []
                for inner in events:
                    if type(inner).__name__ == "SequenceEndEvent":
                        break
                    items.append(self._node(inner, events, depth + 1))
                return Items(*at, tuple(items))
            case _:
                return self._mapping(at, events, depth)

    def _text(self, event: Any) -> str:
        """Return the text of a scalar; the two halves of a surrogate pair, as JSON writes them, are one character."""
        text: str = event.value
        if text.isascii():
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self._say(event, "this text has half a surrogate pair, which is no character", "write the whole character")
            return whole_text(text)

    def _mapping(self, at: tuple[Source, int, int], events: Iterator[Any], depth: int) -> Fields:
        keys: dict[str, Scalar] = {}
        values: dict[str, AnyNode] = {}
        merged: list[Fields] = []
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                self._say(event, "a key must be a text", "put a text that begins with { or [ into quotes")
            elif key.text == "<<" and not key.style:
                merged += self._merge_sources(event, value)
            elif key.text in keys:
                first = keys[key.text].line
                self._say(event, f"the key {key.text[:60]!r} stands here twice", f"the first is in line {first}")
            else:
                keys[key.text], values[key.text] = key, value
        for fields in merged:
            self._add_merged(fields, keys, values)
        return Fields(*at, keys, values)

    def _merge_sources(self, event: Any, value: AnyNode) -> list[Fields]:
        candidates = value.items if isinstance(value, Items) else (value,)
        found = [each for each in candidates if isinstance(each, Fields)]
        if len(found) < len(candidates):
            self._say(event, "<< takes an alias of a mapping, or a list of them", "write <<: *NAME")
        return found

    @staticmethod
    def _add_merged(fields: Fields, keys: dict[str, Scalar], values: dict[str, AnyNode]) -> None:
        for key, value in fields:
            if key.text not in keys:
                keys[key.text], values[key.text] = key, value

    def _alias(self, event: Any) -> AnyNode:
        name = event.anchor
        if name not in self._anchors:
            inside = name in self._open
            what = "stands inside of what it repeats" if inside else "has no anchor before it"
            self._say(event, f"the alias *{name[:60]} {what}", "" if inside else suggest(name, self._anchors))
            mark = event.start_mark
            return Scalar(self._source, mark.line + 1, mark.column + 1, None, "")
        node, size = self._anchors[name]
        self._add(event, size)
        return node

    def _add(self, event: Any, size: int) -> None:
        self._count += size
        if self._count > MOST_NODES:
            self._say(
                event,
                f"the file has more than {MOST_NODES} keys and values, aliases counted as what they repeat",
                _FLATTEN,
            )
            raise _Stop
