"""Gemini's surface: what its paths, queries and bodies say, in the words of a call. Pure.

A model's name and what is to be done with it stand in the path. The least spelling differs between clients: keys in
camel case or with underscores, paths with a version or without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final
from urllib.parse import unquote_plus

from aexl.api import Body, Surface
from aexl.errors import Invalid, Refused
from aexl_proxy.fields import LONGEST_MODEL, check_count, read, refusal, show
from aexl_proxy.routes import Route, why_ungoverned
from aexl_proxy.surfaces import LEAST_OUTPUT, MOST_CHOICES, Wish

VERSIONS: Final = ("/v1beta", "/v1alpha", "/v1")
"""Versions of the API that a path may begin with; which one a provider is asked for is in its ``base_url``."""

_CONFIGS: Final = ("generationConfig", "generation_config")
_LIMITS: Final = ("maxOutputTokens", "max_output_tokens")
_CREDENTIALS: Final = frozenset({"key", "access_token", "oauth_token"})
_REFUSED: Final = frozenset({"callback", "fields", "$callback", "$fields"})
_ALTERNATIVES: Final = frozenset({"json", "sse"})


def below_version(path: str) -> str:
    """Return a path without the version it may begin with."""
    for version in VERSIONS:
        if path.startswith(f"{version}/"):
            return path[len(version) :]
    return path


def find_route(path: str, query: str) -> Route | None:
    """Return how a path such as ``/models/NAME:generateContent`` is read; ``None`` if nothing governed is there.

    Raises:
        Refused: If it names no model.
    """
    named, colon, verb = path.rpartition(":")
    known = _VERBS.get(verb)
    if not colon or known is None or not named.startswith("/models/"):
        return None
    model = named[len("/models/") :]
    if not 1 <= len(model) <= LONGEST_MODEL or not model.isprintable() or {"", ".", ".."} & set(model.split("/")):
        raise refusal(
            f"the path names no model: {path[:100]!a}; it must be as in /v1beta/models/NAME:{verb}",
            code="invalid_value",
            param="model",
        )
    surface, reader = known
    return Route(path, surface, partial(reader, model), dialect="gemini", query=query)


def clean_query(query: str) -> str:
    """Return a query without credentials, which are aexl's and go nowhere.

    Raises:
        Refused: If the answer would come in a form in which its usage cannot be read.
    """
    kept = []
    for pair in query.split("&"):
        name, _, value = (unquote_plus(part) for part in pair.partition("="))
        if name in _CREDENTIALS or not pair:
            continue
        if name in _REFUSED or (name in ("alt", "$alt") and value.partition(";")[0] not in _ALTERNATIVES):
            raise refusal(
                f"the query parameter {name!a} changes the form of the answer, so that its usage cannot be read; "
                f"leave it out, or send alt=sse",
                code="not_governed",
                param=name,
            )
        kept.append(pair)
    return "&".join(kept)


def read_generate(model: str, body: Body, *, stream: bool) -> Wish:
    """Read a body of ``generateContent`` or ``streamGenerateContent``."""
    _check_model(body, model)
    for key in ("cachedContent", "cached_content"):
        if key in body and read(body, key) is not None:
            raise refusal(
                "cached contents are not governed yet, because nobody here knows whose they are; "
                "send the contents themselves, which the provider caches by itself",
                code="not_governed",
                param=key,
            )
    key = _spelling(body, _CONFIGS, "")
    config = _inner(body, key)
    if config is None:
        return Wish(model, stream, None, f"{key}.{_LIMITS[0]}", LEAST_OUTPUT, 1)
    limit_key = _spelling(config, _LIMITS, f"{key}.")
    limit = _count(config, key, limit_key)
    choices = _count(config, key, _spelling(config, ("candidateCount", "candidate_count"), f"{key}."), MOST_CHOICES)
    return Wish(model, stream, limit, f"{key}.{limit_key}", _thinking_floor(config), choices or 1)


def read_count_tokens(model: str, body: Body) -> Wish:
    """Read a body of ``countTokens``."""
    _check_model(body, model)
    for key in ("generateContentRequest", "generate_content_request"):
        if key in body:
            raise refusal(
                f"{key} is not governed; send contents, systemInstruction and tools themselves",
                code="not_governed",
                param=key,
            )
    return _free(model)


def read_embed(model: str, body: Body) -> Wish:
    """Read a body of ``embedContent``."""
    _check_model(body, model)
    return _free(model)


def read_batch(model: str, body: Body) -> Wish:
    """Read a body of ``batchEmbedContents``, whose every request names the model again."""
    requests = read(body, "requests")
    if not isinstance(requests, list) or not all(isinstance(entry, dict) for entry in requests):
        raise refusal("requests must be a list of objects", code="invalid_type", param="requests")
    for entry in requests:
        _check_name(entry.get("model"), model, "requests.model")
    return _free(model)


def _free(model: str) -> Wish:
    return Wish(model, False, None, f"{_CONFIGS[0]}.{_LIMITS[0]}", LEAST_OUTPUT, 1)


def _check_model(body: Body, model: str) -> None:
    if "model" in body:
        _check_name(read(body, "model"), model, "model")


def _check_name(value: object, model: str, param: str) -> None:
    if value not in (None, model, f"models/{model}"):
        raise refusal(
            f"{param} is {show(value)}, and the path names {show(model)}; send the path's, or nothing",
            code="invalid_value",
            param=param,
        )


def _spelling(body: Body, names: tuple[str, str], prefix: str) -> str:
    """Return the name that a body uses of two that mean the same.

    Raises:
        Refused: If it uses both.
    """
    camel, snake = names
    if snake not in body:
        return camel
    if camel in body:
        raise refusal(
            f"{prefix}{camel} and {prefix}{snake} are the same; send one of them",
            code="invalid_value",
            param=f"{prefix}{snake}",
        )
    return snake


def _inner(body: Body, key: str) -> Body | None:
    try:
        return body.inner(key)
    except Invalid as error:
        raise refusal(f"{key} must be an object", code="invalid_type", param=key) from error


def _count(config: Body, key: str, name: str, most: int = 2**31) -> int | None:
    value = read(config, name)
    return None if value is None else check_count(value, f"{key}.{name}", most)


def _thinking_floor(config: Body) -> int:
    """Return one token more than is thought, so that a clamped call can still answer."""
    thinking = read(config, _spelling(config, ("thinkingConfig", "thinking_config"), ""))
    if not isinstance(thinking, dict):
        return LEAST_OUTPUT
    budget = thinking.get("thinkingBudget", thinking.get("thinking_budget"))
    # 0 turns thinking off, and -1 leaves it to the model.
    return max(LEAST_OUTPUT, budget + 1) if type(budget) is int else LEAST_OUTPUT


_VERBS: Final[Mapping[str, tuple[Surface, Callable[[str, Body], Wish]]]] = {
    "generateContent": ("gemini", partial(read_generate, stream=False)),
    "streamGenerateContent": ("gemini", partial(read_generate, stream=True)),
    "countTokens": ("count", read_count_tokens),
    "embedContent": ("gemini_embeddings", read_embed),
    "batchEmbedContents": ("gemini_embeddings", read_batch),
}


def unknown_gemini(path: str) -> Refused:
    """Return the 404 of a path that is not served."""
    known = ", ".join(_VERBS)
    why = why_ungoverned(below_version(path.removeprefix("/gemini")))
    return refusal(
        f"{path[:100]!a} is not governed, so it is not passed on{f': {why}' if why else ''}; "
        f"below /v1beta are /models, /models/NAME and /models/NAME: with {known}",
        code="endpoint_not_governed",
        status=404,
    )
