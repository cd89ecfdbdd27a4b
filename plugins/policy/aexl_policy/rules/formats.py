"""Whether a request asks for an answer in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from aexl.api import Body
from aexl_policy.rules.denials import denied


def check_no_json(body: Body) -> None:
    """Raise a 403 if the answer shall be JSON."""
    for key, asks in _READERS.items():
        if key in body and asks(body.get(key)):
            raise denied(
                f"This agent may not ask for answers in JSON. Leave out {key!r}.", "json_mode_not_allowed", key
            )


def _format(value: object) -> bool:
    return value is not None and not (isinstance(value, dict) and value.get("type") == "text")


def _inner_format(value: object) -> bool:
    return isinstance(value, dict) and _format(value.get("format"))


def _present(value: object) -> bool:
    return value is not None


def _generation(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    schemas = ("responseSchema", "response_schema", "responseJsonSchema", "response_json_schema")
    if any(value.get(key) is not None for key in schemas):
        return True
    kinds = (value.get("responseMimeType"), value.get("response_mime_type"))
    return any(kind not in (None, "text/plain") for kind in kinds)


_READERS: Final[Mapping[str, Callable[[object], bool]]] = {
    "response_format": _format,  # chat
    "text": _inner_format,  # responses
    "output_config": _inner_format,  # messages
    "output_format": _format,  # messages, as it was first called
    "generationConfig": _generation,  # gemini
    "generation_config": _generation,
    "guided_json": _present,  # vLLM
    "structured_outputs": _present,  # vLLM
}
