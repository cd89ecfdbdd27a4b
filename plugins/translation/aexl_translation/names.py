"""Names and ids that a provider accepts, and the way back to those the client knows.

Tools may be grouped in namespaces, and their names may be longer or freer than a
provider takes. The same name always becomes the same alias, in every request of a
conversation, so that calls of earlier turns fit the tools that are offered now.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Final

from aexl_translation.pivot import Tool, ToolCall, ToolKind
from aexl_translation.refusals import Untranslatable

LONGEST: Final = 64
"""Characters that the APIs take in a tool's name and in a call's id."""

_BAD: Final = re.compile(r"[^a-zA-Z0-9_-]")


def fit(name: str) -> str:
    """Return a name or id of at most ``LONGEST`` harmless characters, the same for the same."""
    fitting = _BAD.sub("_", name)
    if fitting == name and len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{fitting[: LONGEST - 9]}_{digest}"


def fresh_id() -> str:
    """Return an id for a call to which the provider gave none."""
    return f"call_{uuid.uuid4().hex[:24]}"


class Known:
    """A tool as the client knows it."""

    __slots__ = ("kind", "name", "namespace")

    def __init__(self, name: str, namespace: str, kind: ToolKind) -> None:
        self.name = name
        self.namespace = namespace
        self.kind = kind


class Names:
    """The aliases of one request's tools.

    Attributes:
        differ: Some tool has another name, or another kind, for the provider than for the client.
    """

    def __init__(self, tools: list[Tool], *, custom: bool) -> None:
        """Choose the aliases; ``custom`` says that the provider knows tools that take free text."""
        self._custom = custom
        self._by_alias: dict[str, Known] = {}
        self.differ = False
        taken: set[str] = set()
        for tool in tools:
            alias = self.alias(tool.name, tool.namespace)
            if alias in taken:
                raise Untranslatable(f"two tools are called {tool.name!r}; give each a name of its own", "tools")
            taken.add(alias)
            if alias != tool.name or tool.namespace or (tool.kind != "function" and not self.keeps(tool.kind)):
                self._by_alias[alias] = Known(tool.name, tool.namespace, tool.kind)
                self.differ = True

    def keeps(self, kind: ToolKind) -> bool:
        """Say whether the provider knows tools of this kind."""
        return kind == "function" or (kind == "custom" and self._custom)

    def alias(self, name: str, namespace: str = "") -> str:
        """Return what the provider calls a tool."""
        return fit(f"{namespace}__{name}" if namespace else name)

    def chosen(self, name: str, tools: list[Tool]) -> str:
        """Return the alias of a tool that a choice names, which may leave its namespace out."""
        for tool in tools:
            if tool.name == name:
                return self.alias(name, tool.namespace)
        return self.alias(name)

    def known(self, alias: str) -> Known | None:
        """Return what the client calls a tool, where that differs."""
        return self._by_alias.get(alias)

    def restore(self, call: ToolCall) -> ToolCall:
        """Return a call as the client knows its tool; the arguments as they are."""
        known = self._by_alias.get(call.name)
        if known is None:
            return call
        return ToolCall(call.id, known.name, call.arguments, known.kind, known.namespace)
