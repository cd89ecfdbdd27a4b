"""The most that embeddings, pictures, speech and transcriptions can cost. Pure.

None of them has an output limit that could be lowered, so all of it is held as a fixed sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from aexl.api import Call, Price, Rates, Surface
from aexl.api.form import Form
from aexl.api.money import round_up
from aexl.errors import Refused
from aexl_catalog.entries import Entry
from aexl_catalog.sound import LEAST_BYTES, longest

PICTURE_TOKENS: Final = 16384
"""Tokens of a picture that is edited; OpenAI documents some 6,600 for its largest at high fidelity."""

Bound = tuple[int, int]
"""Input tokens and nano-dollars."""


def unpriced_tokens(entry: Entry, kind: str) -> Refused:
    """Return the refusal of a call whose tokens have no price."""
    return Refused(
        f"the model {entry.name!r} has no price for {kind} tokens; add {kind} to its price "
        f"under [models.{entry.name!r}] in aexl.toml, or use the endpoint that it is for",
        code="unpriced_tokens",
        status=400,
        param="model",
    )


def _tokens(entry: Entry, price: Price, given: int, made: int) -> int:
    """Return nano-dollars for tokens of input and output at their dearest."""
    for kind, count in (("input", given), ("output", made)):
        if count and kind in entry.unpriced:
            raise unpriced_tokens(entry, kind)
    return max(round_up(given * dearest_part(rates) + made * rates.dearest_output) for rates in price.every_rates())


def dearest_part(rates: Rates, media: frozenset[str] | None = None) -> int:
    """Return the most one input token can cost, if it may be part of one of ``media``; ``None`` is any."""
    dearest = rates.dearest_input
    for part, rate in rates.parts.items():
        kind, _, medium = part.partition("_")
        if kind != "output" and (media is None or medium in media):
            dearest = max(dearest, rate)
    return dearest


def _limit(entry: Entry, name: str, what: str) -> int:
    value: int | None = entry.output if name == "output" else entry.context
    if value is None:
        raise Refused(
            f"{what} of {entry.name!r} cannot be bounded: set limits.{name} under [models.{entry.name!r}] in aexl.toml",
            code=f"unbounded_{'output' if name == 'output' else 'input'}",
            status=400,
        )
    return value


def _embeddings(call: Call, entry: Entry, price: Price, references: frozenset[str]) -> Bound:
    given = len(call.body.data)
    if references:
        # A text has at most one token a byte; each picture, sound or file at most the model's context.
        media = call.body.data.count(b'"type"') + call.body.data.count(b"Data") + call.body.data.count(b"_data") + 1
        given += media * _limit(entry, "context", "the input")
    return given, _tokens(entry, price, given, 0)


def _images(call: Call, entry: Entry, price: Price, _: frozenset[str]) -> Bound:
    quality, size = call.body.get("quality"), call.body.get("size")
    unit = price.image_unit(quality, size)
    if unit is not None:
        dear = [price.units[unit]]
        if quality in (None, "auto") or size in (None, "auto"):
            dear += [picos for name, picos in price.units.items() if name.startswith("image")]
        return 0, round_up(call.choices * max(dear))
    shown = call.body.get("images")
    pictures = len(call.body.files) + (len(shown) if isinstance(shown, list) else 0)
    text = call.body.as_json() if call.body.files else call.body.data
    given = len(text) + pictures * PICTURE_TOKENS
    return given, _tokens(entry, price, given, call.choices * _limit(entry, "output", "the tokens of a picture"))


def _speech(call: Call, entry: Entry, price: Price, _: frozenset[str]) -> Bound:
    text = call.body.get("input")
    if "character" in price.units:
        return 0, round_up((len(text) if isinstance(text, str) else 0) * price.units["character"])
    given = len(call.body.data)
    return given, _tokens(entry, price, given, _limit(entry, "output", "the speech"))


def _transcriptions(call: Call, entry: Entry, price: Price, _: frozenset[str]) -> Bound:
    if "hour" in price.units:
        sound = call.body.file("file") if isinstance(call.body, Form) else None
        seconds = len(call.body.data) / LEAST_BYTES if sound is None else longest(sound)
        if entry.seconds is not None:
            seconds = min(seconds, entry.seconds)
        # A provider may round up to whole seconds.
        return 0, round_up(price.unit_cost({"millisecond": 1000 * math.ceil(seconds)}))
    given = _limit(entry, "context", "the input")
    return given, _tokens(entry, price, given, entry.output or given)


BOUNDS: Final[Mapping[Surface, Callable[[Call, Entry, Price, frozenset[str]], Bound]]] = {
    "embeddings": _embeddings,
    "gemini_embeddings": _embeddings,
    "images": _images,
    "speech": _speech,
    "transcriptions": _transcriptions,
}
"""What bounds a call of each surface: call, model, price, and what stands elsewhere or is no text."""
