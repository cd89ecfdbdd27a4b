"""The plan of a call: what it can cost at most, at whichever target it ends up. Pure, and quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aexl.api import Body, Call, Plan, Price, Rates, Target
from aexl.api.money import round_up
from aexl.errors import Invalid, Refused
from aexl_catalog.entries import Entry
from aexl_catalog.media import BOUNDS, dearest_part, unpriced_tokens
from aexl_catalog.pricing import FREE
from aexl_catalog.references import find_references, spells
from aexl_catalog.tools import FIELDS, SEARCHING, server_tools

TOOLS_ALLOWANCE: Final = 1024
"""Tokens of the text with which a provider tells a model of its tools; Anthropic documents up to some 700."""

_NONE: Final[frozenset[str]] = frozenset()
_TEXT: Final = ("input", "output")
_ANYTHING: Final = frozenset({"reference", "unknown"})
_MEDIA: Final = {"image": "image", "file": "image", "audio": "audio", "video": "video"}
"""A file's pages are pictures to a model, as far as they are not text."""
_SPECIAL: Final = FIELDS | {"modalities", "prediction"}
"""Fields that change what a call may cost."""
_ORDINARY: Final = frozenset({b'"default"', b'"standard_only"', b'"standard"'})
_ANY: Final = frozenset({b"null", b'"auto"'})


def plan_free(entries: Sequence[Entry]) -> Plan:
    """Return the plan of a call that costs nothing by its nature: counting, or a stored response."""
    targets = tuple(
        Target(provider=entry.provider, model=entry.provider_model, price=entry.price or FREE) for entry in entries
    )
    return Plan(targets=targets, input_bound=0, output_bound=0, output_floor=0, fixed=0, output_price=0, hold=0)


def plan_call(call: Call, entries: Sequence[Entry], asked: Entry | None = None) -> Plan:
    """Return the plan of a call to the first of some models, or to the next where that fails.

    Args:
        call: What was asked.
        entries: Models at providers that speak the call's surface, best first, not empty.
        asked: The model that was asked for, if not the first.

    Raises:
        Refused: If the call cannot be bounded, has no price, or needs what the model cannot do.
    """
    try:
        references = find_references(call.surface, call.body)
        if call.surface == "responses" and call.body.raw("background") == b"true":
            raise Refused(
                "a background response cannot be held to a budget; leave out 'background', or stream it",
                code="background_unsupported",
                status=400,
                param="background",
            )
        special = not _SPECIAL.isdisjoint(call.body)
        target, input_bound, output_bound, fixed, output_price = _bound(call, entries[0], references, special)
        targets = [target]
        for entry in entries[1:]:
            target, bound, output, base, price = _bound(call, entry, references, special)
            targets.append(target)
            input_bound = max(input_bound, bound)
            output_bound = max(output_bound, output)
            fixed = max(fixed, base)
            output_price = max(output_price, price)
    except Invalid as error:
        raise Refused(str(error), code="invalid_body", status=400) from error
    floor = call.output_floor * call.choices
    return Plan(
        targets=tuple(targets),
        input_bound=input_bound,
        output_bound=output_bound,
        output_floor=floor if 0 <= floor <= output_bound else min(max(floor, 0), output_bound),
        fixed=fixed,
        output_price=output_price,
        hold=fixed + round_up(output_bound * output_price),
        rounds=(asked or entries[0]).rounds,
        patience=(asked or entries[0]).patience,
    )


def _bound(call: Call, entry: Entry, references: frozenset[str], special: bool) -> tuple[Target, int, int, int, int]:
    """Return a target with its bounds: input and output tokens, nano-dollars before output, picos per output token.

    Args:
        special: The body has a field of ``_SPECIAL``.
    """
    price = entry.price
    if price is None:
        raise Refused(
            f"the model {entry.name!r} has no price; give it one under [models.{entry.name!r}] in aexl.toml, "
            f"or say free = true",
            code="model_without_price",
            status=403,
            param="model",
        )
    bound_of = BOUNDS.get(call.surface)
    if bound_of is not None:
        given, fixed = bound_of(call, entry, price, references)
        return Target(provider=entry.provider, model=entry.provider_model, price=price), given, 0, fixed, 0
    if entry.unpriced:
        for kind in _TEXT:
            if kind in entry.unpriced:
                raise unpriced_tokens(entry, kind)
    if entry.capabilities is not None:
        _check_capabilities(call, entry, references)
    if entry.unpriced and references & entry.unpriced:
        raise _unpriced(entry, ", ".join(sorted(references & entry.unpriced)))
    if special and b'"audio"' in (call.body.raw("modalities") or b"") and not _speaks(entry, price):
        raise _unpriced(entry, "spoken output")
    tools = None
    if special or call.surface == "responses" or SEARCHING in entry.provider_model:
        tools = server_tools(call.surface, call.body, entry.provider_model, price.tool_uses)
    given = len(call.body.data) + (TOOLS_ALLOWANCE if special and "tools" in call.body else 0)
    input_bound = _input_bound(given, entry, bool(references) or tools is not None)
    limit, sent = _output_limit(call, entry)
    output_bound = limit * call.choices
    if special:
        output_bound += len(call.body.raw("prediction") or b"")  # rejected predictions are billed as output
    dearest_input, dearest_output = entry.dearest_input, entry.dearest_output
    cheaper = call.surface == "messages" and dearest_input > price.rates.input  # if nothing is written to a cache
    if entry.varies or cheaper or (references and price.rates.parts):
        dearest_input, dearest_output = _dearest(call, price, input_bound, references)
    fixed = round_up(input_bound * dearest_input)
    if tools is not None:
        fixed += sum(count * price.tool_uses.get(name, 0) for name, count in tools.items())
    target = Target(
        provider=entry.provider, model=entry.provider_model, price=price, output_limit=sent, output_bound=limit
    )
    return target, input_bound, output_bound, fixed, dearest_output


def _input_bound(given: int, entry: Entry, unbounded: bool) -> int:
    if not unbounded:
        return given if entry.context is None or given < entry.context else entry.context
    if entry.context is None:
        raise Refused(
            f"the call's input cannot be bounded: it has pictures, files, server tools or refers to something "
            f"elsewhere, and the context of {entry.name!r} is not known; "
            f"set limits.context under [models.{entry.name!r}] in aexl.toml",
            code="unbounded_input",
            status=400,
        )
    return entry.context


def _output_limit(call: Call, entry: Entry) -> tuple[int, int | None]:
    """Return the most output tokens of one choice, and the limit to send if it is not the caller's."""
    asked, most = call.output_limit, entry.output
    if most is None:
        most = entry.context
    if asked is not None and (most is None or asked <= most):
        return asked, None if _is_sent(call) else asked  # a gate set it, and the body does not say so
    if most is None:
        raise Refused(
            f"the call's output cannot be bounded: it names no limit, and that of {entry.name!r} is not known; "
            f"set {call.output_key}, or limits.output under [models.{entry.name!r}] in aexl.toml",
            code="unbounded_output",
            status=400,
            param=call.output_key,
        )
    return most, most if entry.enforced else None


def _is_sent(call: Call) -> bool:
    return call.output_key in call.body or ("." in call.output_key and call.body.has(call.output_key))


def _dearest(call: Call, price: Price, input_bound: int, references: frozenset[str]) -> tuple[int, int]:
    """Return the highest rates that the call may be billed at."""
    reachable = [price.rates, *(tier.rates for tier in price.tiers if input_bound > tier.above)]
    for name in _services(call, price):
        reachable.append(price.service[name])
        reachable += [tier.rates for tier in price.service_tiers.get(name, ()) if input_bound > tier.above]
    media = None if references & _ANYTHING else frozenset(_MEDIA[kind] for kind in references)
    if call.surface == "messages":
        writes = _cache_writes(call.body.data)
        return max(_input_of(rates, writes) for rates in reachable), max(map(_output_of, reachable))
    return max(dearest_part(rates, media) for rates in reachable), max(map(_output_of, reachable))


def _cache_writes(data: bytes) -> int:
    """Return for how long a message can be written to a cache: 0 not at all, 1 for minutes, 2 for an hour.

    Nothing is unless the body says ``cache_control``, and not for an hour unless it says ``1h``.
    """
    if spells(data):
        return 2
    if b"cache_control" not in data:
        return 0
    return 2 if b"1h" in data else 1


def _input_of(rates: Rates, writes: int) -> int:
    return max(rates.input, rates.cached_input, *(rates.cache_write, rates.cache_write_1h)[:writes])


def _output_of(rates: Rates) -> int:
    return rates.dearest_output


def _services(call: Call, price: Price) -> Sequence[str]:
    """Return the service tiers that the provider may choose; without a word of the caller, any of them."""
    if call.surface == "messages":
        return [name for name in price.service if name == "fast" and "speed" in call.body]
    raw = call.body.raw("service_tier")
    if call.surface == "gemini":
        raw = call.body.raw("serviceTier") or raw
        if raw is None or raw == b"null":
            return ()  # the standard one, whatever the project
    if raw is None or raw in _ANY:
        return list(price.service)
    if raw in _ORDINARY:
        return ()
    name = call.body.get("service_tier", call.body.get("serviceTier"))
    if call.surface == "gemini" and isinstance(name, str):
        name = name.lower()
        if name in ("standard", "unspecified"):
            return ()
    if name in price.service:
        return [str(name)]
    raise Refused(
        f"the service tier {name!r} has no price at this model; it has {', '.join(price.service) or 'none'}",
        code="unpriced_service_tier",
        status=400,
        param="service_tier",
    )


def _check_capabilities(call: Call, entry: Entry, references: frozenset[str]) -> None:
    body = call.body
    needed = {
        "streaming": call.stream,
        "tools": "tools" in body and body.raw("tools") not in (b"null", b"[]"),
        "vision": "image" in references,
        "audio": "audio" in references,
        "json": b"json" in (body.raw("response_format") or b"")
        or b'"json' in (body.raw("text") or b"")
        or (call.surface == "gemini" and _wants_json(body)),
    }
    for capability, wanted in needed.items():
        if wanted and capability not in (entry.capabilities or _NONE):
            raise Refused(
                f"the model {entry.name!r} is configured without {capability!r} among its capabilities, "
                f"and the call needs it",
                code="unsupported_capability",
                status=400,
            )


def _wants_json(body: Body) -> bool:
    for key in ("generationConfig", "generation_config"):
        raw = body.raw(key)
        if raw is not None and (b"json" in raw or b"chema" in raw or b"\\u00" in raw):
            return True
    return False


def _speaks(entry: Entry, price: Price) -> bool:
    return "output_audio" in price.rates.parts or (entry.capabilities is not None and "audio" in entry.capabilities)


def _unpriced(entry: Entry, kinds: str) -> Refused:
    return Refused(
        f"the catalogue has no price of {entry.name!r} for {kinds}; "
        f"give the model a price of your own under [models.{entry.name!r}] in aexl.toml",
        code="unpriced_modality",
        status=400,
    )
