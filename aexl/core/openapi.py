"""``/api/v1/openapi.json``: one document of the parts that plugins give with their mounts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from aexl.api import Mount
from aexl.api.openapi import SCHEMES, Description

logger = logging.getLogger("aexl.serve")

PATH: Final = "/api/v1/openapi.json"

_PREFIX: Final = "#/components/schemas/"

Schemas = dict[str, Mapping[str, Any]]
Paths = dict[str, dict[str, Mapping[str, Any]]]


class Part(NamedTuple):
    """What one plugin says of its routes."""

    plugin: str
    said: Description


def gather(mounts: Iterable[tuple[str, Mount]]) -> list[Part]:
    """Ask the mounts of all plugins, named by plugin; several mounts with one ``describe`` are asked once.

    A part that cannot be had is left out, and the log says why: a document with a gap is of more use than none.
    """
    parts: list[Part] = []
    asked: list[object] = []
    for plugin, mount in mounts:
        if mount.describe is None or mount.describe in asked:
            continue
        asked.append(mount.describe)
        try:
            parts.append(Part(plugin, mount.describe()))
        except Exception:
            logger.exception("plugin %r could not say what its routes are; they are not in %s", plugin, PATH)
    return parts


def document(version: str, parts: Iterable[Part]) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1.

    Two plugins may have operations or schemas of one name: the later plugin's are then named
    after it. A path and method that two of them describe is the first one's.
    """
    paths: Paths = {}
    schemas: Schemas = {}
    names: set[str] = set()
    for part in parts:
        renamed = _clashes(part, schemas)
        schemas |= {renamed.get(name, name): _refer(schema, renamed) for name, schema in part.said.schemas.items()}
        for path, methods in part.said.paths.items():
            for method, operation in methods.items():
                if method in paths.setdefault(path, {}):
                    logger.warning("plugin %r describes %s %s, as another one does", part.plugin, method, path)
                    continue
                said = _refer(operation, renamed)
                if said["operationId"] in names:
                    said = {**said, "operationId": f"{part.plugin}_{said['operationId']}"}
                names.add(said["operationId"])
                paths[path][method] = said
    used = {name for methods in paths.values() for each in methods.values() for one in each["security"] for name in one}
    schemes = {name: scheme for kind in SCHEMES.values() for name, scheme in kind.items() if name in used}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aexl",
            "version": version,
            "description": "What aexl serves below /api/v1. Times are RFC 3339 in UTC, money is USD.",
        },
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": schemes},
    }


def _clashes(part: Part, schemas: Schemas) -> dict[str, str]:
    """Return new names for schemas of a part whose names mean something else already."""
    taken = {name for name, schema in part.said.schemas.items() if schemas.get(name, schema) != schema}
    return {name: f"{part.plugin}_{name}" for name in taken}


def _refer(value: Any, renamed: Mapping[str, str]) -> Any:
    """Return a piece of the document with its references following the new names."""
    if not renamed:
        return value
    if isinstance(value, Mapping):
        return {key: _follow(item, renamed) if key == "$ref" else _refer(item, renamed) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_refer(item, renamed) for item in value]
    return value


def _follow(reference: str, renamed: Mapping[str, str]) -> str:
    name = reference.removeprefix(_PREFIX)
    return _PREFIX + renamed.get(name, name)
