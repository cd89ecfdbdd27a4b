"""The tables of ``aexl.toml`` that belong to the catalogue: ``[models.<name>]`` and ``[catalog]``."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from aexl_catalog.pricing import PriceTable

CAPABILITIES: Final = ("audio", "json", "reasoning", "streaming", "tools", "vision")
"""What a model may be said to be capable of."""

Tokens = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]


class LimitsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a model's texts may be, in tokens.

    Attributes:
        seconds: The longest sound that it takes; it bounds a transcription.
        context: Input and output together.
        output: The most that the model writes in one answer. A fact about the model: calls are held for it, and
            pass as they are.
        enforce: The model could write more than ``output``, so it is sent with calls that name no limit or a higher one.
    """

    context: Tokens | None = None
    output: Tokens | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | None = None
    enforce: bool = False


class ModelTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One name that callers may use.

    Attributes:
        provider: A name of ``[providers.<name>]``.
        provider_model: What the provider calls it; empty means the same.
        price: Without one, the shipped catalogue's price of ``provider_model``, if it has one.
        free: It costs nothing.
        limits: What is not given comes from the shipped catalogue.
        capabilities: If any are given, calls that need others are refused.
        fallbacks: Other models of ``[models]``, to which a call goes when this one fails before a byte was passed on.
        balance: Which of this model and its fallbacks comes first: ``order`` keeps them as they stand, ``weight``
            draws, ``latency`` prefers who lately began to answer soonest.
        weight: How often this model is drawn, against the others' weights; 0 only when nothing else is left.
        retries: Rounds over all of them after the first.
        retry_wait: The most seconds to wait before a round; a provider that asks for more is not asked again.
        created: Unix time of its publication.
    """

    provider: str
    provider_model: str = ""
    price: PriceTable | None = None
    free: bool = False
    limits: LimitsTable = LimitsTable()
    capabilities: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    balance: Literal["order", "weight", "latency"] = "order"
    weight: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 1.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    retry_wait: Annotated[float, msgspec.Meta(ge=0, le=600)] = 10.0
    created: Annotated[int, msgspec.Meta(ge=0, le=2**40)] = 0


class OverrideTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to believe instead of the shipped catalogue."""

    price: PriceTable | None = None
    free: bool = False
    limits: LimitsTable = LimitsTable()


class CatalogSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[catalog]``.

    Attributes:
        auto: Models of the shipped catalogue may be called without being configured.
        providers: For a provider's name, whose prices are its; empty means nobody's. A provider that is
            not listed has the prices of its name, if the catalogue knows the name.
        overrides: By the catalogue's name of a model.
        breaker_failures: Failures in a row after which a target is left alone for a while, if there is another; 0: never.
        breaker_seconds: For how long; after that, one call tries it.
    """

    auto: bool = True
    providers: dict[str, str] = {}
    overrides: dict[str, OverrideTable] = {}
    breaker_failures: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 5
    breaker_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
