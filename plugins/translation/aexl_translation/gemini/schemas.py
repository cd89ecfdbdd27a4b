"""Google's two spellings of JSON: keys in snake_case or camelCase, and schemas with types in capitals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SNAKE: Final = re.compile(r"_([a-z])")
_KEPT: Final = frozenset({"default", "example", "enum", "required", "const", "examples"})


def camel(value: Mapping[str, object]) -> Mapping[str, object]:
    """Return an object with its own keys in camelCase; what is below them stays."""
    if not any("_" in key for key in value):
        return value
    return {_SNAKE.sub(lambda found: found[1].upper(), key): item for key, item in value.items()}


def json_schema(schema: object) -> object:
    """Return one of Google's schemas as a JSON schema."""
    if isinstance(schema, list):
        return [json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, object] = {}
    for key, value in camel(schema).items():
        if key == "type" and isinstance(value, str):
            made["type"] = value.lower()
        elif key == "properties" and isinstance(value, dict):
            made[key] = {name: json_schema(one) for name, one in value.items()}
        elif key in ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"):
            made[key] = int(value) if isinstance(value, str) and value.isdigit() else value  # 64-bit numbers are texts
        elif key not in ("nullable", "propertyOrdering"):
            made[key] = value if key in _KEPT else json_schema(value)
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
