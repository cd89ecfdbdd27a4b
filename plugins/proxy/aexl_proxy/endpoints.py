"""What the endpoints beside conversations call the governed fields: embeddings, pictures, sound. Pure.

A form's fields are text, so its numbers and flags are read from text.
"""

from __future__ import annotations

from typing import Final

from aexl.api import Body
from aexl.api.form import Form
from aexl_proxy.fields import check_count, read, read_count, read_flag, read_model, read_text, refusal, show
from aexl_proxy.surfaces import LEAST_OUTPUT, MOST_CHOICES, Wish, read_stream

_MODERATION: Final = "omni-moderation-latest"
"""The provider's own default."""

_LIMIT: Final = "max_tokens"


def read_completions(body: Body) -> Wish:
    """Read a body of ``/completions``; each of several prompts is answered ``best_of`` times."""
    model = read_model(body)
    choices = max(read_count(body, "n", MOST_CHOICES) or 1, read_count(body, "best_of", MOST_CHOICES) or 1)
    limit = read_count(body, _LIMIT)
    return Wish(model, read_stream(body), limit, _LIMIT, LEAST_OUTPUT, choices * _count_prompts(body))


def _count_prompts(body: Body) -> int:
    prompt = read(body, "prompt")
    if isinstance(prompt, list) and any(not isinstance(entry, int) for entry in prompt):
        return len(prompt)
    return 1  # a text, or the tokens of one


def read_embeddings(body: Body) -> Wish:
    """Read a body of ``/embeddings``."""
    return Wish(read_model(body), False, None, _LIMIT, LEAST_OUTPUT, 1)


def read_moderations(body: Body) -> Wish:
    """Read a body of ``/moderations``, which need not name a model."""
    model = _MODERATION if read(body, "model") is None else read_model(body)
    return Wish(model, False, None, _LIMIT, LEAST_OUTPUT, 1)


def read_images(body: Body) -> Wish:
    """Read a body of one of ``/images/…``."""
    model = read_model(body)
    for key in ("quality", "size"):
        read_text(body, key)
    return Wish(model, _read_flag(body, "stream"), None, _LIMIT, LEAST_OUTPUT, _read_number(body, "n") or 1)


def read_speech(body: Body) -> Wish:
    """Read a body of ``/audio/speech``; sound passes as it is made, with events or without."""
    model = read_model(body)
    if read_text(body, "input") is None:
        raise refusal(
            "input is missing; it must be the text to speak", code="missing_required_parameter", param="input"
        )
    return Wish(model, True, None, _LIMIT, LEAST_OUTPUT, 1)


def read_transcriptions(body: Body) -> Wish:
    """Read a body of ``/audio/transcriptions`` or ``/audio/translations``."""
    return Wish(read_model(body), _read_flag(body, "stream"), None, _LIMIT, LEAST_OUTPUT, 1)


def _read_number(body: Body, key: str) -> int | None:
    if not isinstance(body, Form):
        return read_count(body, key, MOST_CHOICES)
    text = read(body, key)
    if text is None:
        return None
    number = int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10 else text
    return check_count(number, key, MOST_CHOICES)


def _read_flag(body: Body, key: str) -> bool:
    if not isinstance(body, Form):
        return read_flag(body, key)
    text = read(body, key)
    if text in (None, "false", "true"):
        return text == "true"
    raise refusal(f"{key} must be true or false, not {show(text)}", code="invalid_type", param=key)
