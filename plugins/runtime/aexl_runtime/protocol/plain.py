"""Values of Python as values of JSON, as the runner's answers have them."""

from __future__ import annotations

from typing import Any, Final

MAX_DEPTH: Final = 200
"""Levels of lists and objects within each other."""

MAX_BITS: Final = 14_284
"""Of a whole number: 4,300 digits, the most that Python itself reads."""


class NotPlain(Exception):
    """A value that JSON has no word for; the message names its place."""


def plain(value: Any, path: str = "result", depth: int = 0, above: frozenset[int] = frozenset()) -> Any:
    """Return a value of JSON.

    Bytes become text, sets and tuples lists, dates and decimals texts, keys texts; what is no number is null.

    Raises:
        NotPlain: If something is of no such type, too large a number, contains itself, or is nested too deeply.
    """
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind is int:
        return _whole(value, path)
    if kind is float:
        return value if value - value == 0 else None
    if depth >= MAX_DEPTH:
        raise NotPlain(f"{path[:200]} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict | list | tuple | set | frozenset):
        if id(value) in above:
            raise NotPlain(f"{path} contains itself")
        return _container(value, path, depth + 1, above | {id(value)})
    return _other(value, path, depth, above)


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode()  # lone surrogates are no text


def _whole(value: int, path: str) -> int:
    if value.bit_length() > MAX_BITS:
        raise NotPlain(f"{path} is a whole number of more than 4300 digits")
    return value


def _container(value: Any, path: str, depth: int, above: frozenset[int]) -> Any:
    if isinstance(value, dict):
        return {_key(key, path): plain(each, f"{path}.{key}", depth, above) for key, each in value.items()}
    return [plain(each, f"{path}[{at}]", depth, above) for at, each in enumerate(value)]


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return _text(key)
    made = plain(key, f"{path} key")
    if isinstance(made, dict | list):
        raise NotPlain(f"{path} has a key that is no text: {type(key).__name__}")
    if made is None:
        return "None"
    return str(made).lower() if isinstance(made, bool) else str(made)


def _other(value: Any, path: str, depth: int, above: frozenset[int]) -> Any:
    """Return what the less common types are in JSON; their modules are imported if the value's author did so."""
    for base, convert in _known():
        if isinstance(value, base):
            return plain(convert(value), path, depth + 1, above)
    if hasattr(type(value), "__dataclass_fields__"):
        return plain({name: getattr(value, name) for name in type(value).__dataclass_fields__}, path, depth + 1, above)
    for method in ("model_dump", "_asdict"):
        dump = getattr(value, method, None)
        if callable(dump) and not isinstance(value, type):
            return plain(dump(), path, depth + 1, above)
    raise NotPlain(f"{path} is of type {type(value).__name__}, which JSON cannot carry")


def _known() -> list[tuple[Any, Any]]:
    import sys

    found: list[tuple[Any, Any]] = [
        (str, str.__str__),
        (int, int.__int__),
        (float, float.__float__),
        (bytes | bytearray, lambda value: bytes(value).decode("utf-8", "replace")),
    ]
    modules = sys.modules
    if "enum" in modules:
        found.insert(0, (modules["enum"].Enum, lambda value: value.value))
    if "datetime" in modules:
        dates = modules["datetime"]
        found += [(dates.datetime | dates.date | dates.time, lambda value: value.isoformat())]
        found += [(dates.timedelta, lambda value: value.total_seconds())]
    for module, name in (("decimal", "Decimal"), ("uuid", "UUID"), ("pathlib", "PurePath")):
        if module in modules:
            found.append((getattr(modules[module], name), str))
    return found
