"""The whole way of a request: from a call in one dialect to a call in another. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from aexl.api import Body, Call, Target, Usage
from aexl.errors import Invalid
from aexl_translation.asked import Asked
from aexl_translation.codecs import CODECS, Codec
from aexl_translation.counting import countable
from aexl_translation.dialects import Dialect, place_of
from aexl_translation.fields.rules import Check
from aexl_translation.names import Names
from aexl_translation.refusals import Untranslatable, as_object
from aexl_translation.settings import TranslationSection
from aexl_translation.writing import Aim

_HEADERS: Final = frozenset({b"user-agent", b"traceparent", b"tracestate", b"baggage", b"accept-language"})
"""What a caller says that is not in its dialect's words."""

_JSON: Final = (b"content-type", b"application/json")
_CHECKS: Final = {
    (dialect, lenient): Check(codec.fields, lenient=lenient)
    for dialect, codec in CODECS.items()
    for lenient in (False, True)
}
_ENCODER: Final = msgspec.json.Encoder()
_ECHOED: Final[Mapping[str, object]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class Translated(msgspec.Struct):
    """A call in the provider's dialect, where it goes, and what its answer needs."""

    call: Call
    target: Target
    names: Names
    wants_usage: bool


def now() -> int:
    """Return the time that answers are said to be of, in Unix seconds."""
    return int(time.time())


def translate(call: Call, target: Target, origin: Dialect, into: Dialect, section: TranslationSection) -> Translated:
    """Return a call in another dialect.

    Raises:
        Untranslatable: If that cannot be.
    """
    codec = CODECS[into]
    request = CODECS[origin].read(_decoded(call), _CHECKS[origin, section.unknown == "ignore"])
    request.stream = call.stream
    limit = target.output_limit if target.output_limit is not None else call.output_limit
    if limit is None and into == "messages":
        limit = target.output_bound
    aim = Aim(
        model=target.model,
        limit=limit,
        effort=section.effort.get(target.provider),
        tiers=bool(target.price.service),
    )
    names = Names(request.tools, custom=codec.custom)
    body = _encoded(codec.write(request, aim, names))
    derived = _derived(call, target, into, codec, body, limit)
    aimed = Target(provider=target.provider, model=target.model, price=target.price, output_limit=limit)
    return Translated(derived, aimed, names, request.wants_usage)


def translate_count(
    call: Call, target: Target, origin: Dialect, into: Dialect, section: TranslationSection
) -> Translated:
    """Return a call that counts tokens in another dialect.

    Raises:
        Untranslatable: If that cannot be.
    """
    request = CODECS[origin].read(_decoded(call), _CHECKS[origin, section.unknown == "ignore"])
    codec = CODECS[into]
    aim = Aim(model=target.model, limit=1 << 20, effort=section.effort.get(target.provider))
    names = Names(request.tools, custom=codec.custom)
    body = countable(into, codec.write(request, aim, names), target.model)
    counted = msgspec.structs.replace(
        call,
        path=place_of(into, target.model),
        query="",
        headers=_headers(call),
        body=_encoded(body),
        model=target.model,
    )
    return Translated(counted, target, names, wants_usage=False)


def _decoded(call: Call) -> Mapping[str, object]:
    try:
        body = msgspec.json.decode(call.body.data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Untranslatable(f"the body cannot be read exactly: {error}") from error
    return as_object(body, "the body")


def _encoded(body: dict[str, object]) -> Body:
    try:
        return Body(_ENCODER.encode(body))
    except (OverflowError, Invalid) as error:
        raise Untranslatable(f"the request cannot be written in the provider's dialect: {error}") from error


def _headers(call: Call) -> list[tuple[bytes, bytes]]:
    return [_JSON, *(header for header in call.headers if header[0] in _HEADERS)]


def _derived(call: Call, target: Target, into: Dialect, codec: Codec, body: Body, limit: int | None) -> Call:
    path, query = _place(into, target.model, stream=call.stream)
    return msgspec.structs.replace(
        call,
        surface=into,
        path=path,
        query=query,
        headers=_headers(call),
        body=body,
        model=target.model,
        output_limit=limit,
        output_key=codec.limit_key,
        choices=1,
    )


def _place(dialect: Dialect, model: str, *, stream: bool) -> tuple[str, str]:
    if dialect == "chat":
        return "/chat/completions", ""
    if dialect == "gemini":
        verb, query = ("streamGenerateContent", "alt=sse") if stream else ("generateContent", "")
        return f"/models/{model}:{verb}", query
    return f"/{dialect}", ""


def asked_of(call: Call, target: Target, origin: Dialect, made: Translated, usage: Callable[[], Usage | None]) -> Asked:
    """Return what the answer to a call needs of it."""
    echo: Mapping[str, object] = {}
    if origin == "responses":
        raw = {name: call.body.raw(name) for name in _ECHOED}
        echo = {
            name: default if (found := raw[name]) is None else msgspec.Raw(found) for name, default in _ECHOED.items()
        }
    return Asked(
        id=call.id.replace("-", ""),
        model=target.model,
        now=now(),
        wants_usage=made.wants_usage,
        names=made.names,
        echo=echo,
        usage=usage,
    )
