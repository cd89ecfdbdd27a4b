"""Reading one governed field of a body: what is not plainly acceptable is refused by name."""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from aexl.api import Body, Headers
from aexl.errors import Invalid, Refused, Unavailable

T = TypeVar("T")

MOST_TOKENS: Final = 2**31
"""The largest limit of tokens; ten thousand times what any model writes."""

LONGEST_MODEL: Final = 256
"""Characters in a model's name."""

_SHOWN: Final = 60


def refusal(
    reason: str,
    *,
    code: str,
    status: int = 400,
    param: str | None = None,
    headers: Headers = (),
) -> Refused:
    """Return a refusal that needs no gate to be reached."""
    refused = Refused(reason, code=code, status=status, param=param)
    refused.headers = headers
    return refused


def busy(error: Unavailable) -> Refused:
    """Return the 503 for a service that cannot answer now."""
    return Refused(str(error), code="ledger_unavailable", status=503, retry_after=1.0)


def show(value: object) -> str:
    """Return a value as JSON for a message, cut where it is long."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def read(body: Body, key: str) -> object:
    """Return a decoded value, ``None`` where it is absent or null.

    Raises:
        Refused: If it cannot be decoded exactly.
    """
    try:
        return body.get(key)
    except Invalid as error:
        raise refusal(f"{error}; send another value", code="invalid_value", param=key) from error


def read_model(body: Body) -> str:
    """Return the name of the model the caller wants."""
    value = read(body, "model")
    if value is None:
        raise refusal(
            "model is missing; it must be a non-empty string that names a model of GET /v1/models",
            code="missing_required_parameter",
            param="model",
        )
    if not isinstance(value, str):
        raise refusal(f"model must be a non-empty string, not {show(value)}", code="invalid_type", param="model")
    if not value:
        raise refusal('model must be a non-empty string, not ""', code="invalid_value", param="model")
    if len(value) > LONGEST_MODEL:
        raise refusal(
            f"model must have at most {LONGEST_MODEL} characters, not {len(value)}",
            code="invalid_value",
            param="model",
        )
    return value


def read_flag(body: Body, key: str) -> bool:
    """Return a boolean; absent and null are false."""
    value = read(body, key)
    if value is None or value is False:
        return False
    if value is True:
        return True
    raise refusal(f"{key} must be true or false, not {show(value)}", code="invalid_type", param=key)


def read_count(body: Body, key: str, most: int = MOST_TOKENS) -> int | None:
    """Return a whole number from 1 to ``most``; absent and null are ``None``."""
    value = read(body, key)
    if value is None:
        return None
    return check_count(value, key, most)


def check_count(value: object, name: str, most: int = MOST_TOKENS) -> int:
    """Return ``value`` if it is a whole number from 1 to ``most``."""
    # bool is an int in Python, and no number in JSON.
    if type(value) is not int:
        raise refusal(
            f"{name} must be a whole number from 1 to {most}, not {show(value)}", code="invalid_type", param=name
        )
    if not 1 <= value <= most:
        raise refusal(f"{name} must be from 1 to {most}, not {value}", code="invalid_value", param=name)
    return value


def read_object(body: Body, key: str) -> dict[str, object] | None:
    """Return a JSON object; absent and null are ``None``."""
    return _read_kind(body, key, dict, "an object")


def read_text(body: Body, key: str) -> str | None:
    """Return a string; absent and null are ``None``."""
    return _read_kind(body, key, str, "a string")


def _read_kind(body: Body, key: str, kind: type[T], what: str) -> T | None:
    value = read(body, key)
    if value is None or isinstance(value, kind):
        return value
    raise refusal(f"{key} must be {what}, not {show(value)}", code="invalid_type", param=key)


def read_page(query: bytes, default: int, most: int, name: str = "limit") -> tuple[int, dict[str, list[str]]]:
    """Return the size of a page that a query string asks for by ``name``, and all its parameters.

    Raises:
        Refused: If the size is not a whole number from 1 to ``most``.
    """
    wanted = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    text = wanted.get(name, [str(default)])[-1]
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
        return int(text), wanted
    raise refusal(
        f"{name} must be a whole number from 1 to {most}, not {text[:_SHOWN]!a}", code="invalid_value", param=name
    )
