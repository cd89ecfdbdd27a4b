"""The list of models, in each dialect's shape. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from aexl.api import Limits, Model
from aexl.errors import Refused
from aexl_proxy.fields import read_page, refusal

MOST_ENTRIES: Final = 1000
"""The most models on one page; the dialect's own limit."""

_ENTRIES: Final = 20
_GEMINI_ENTRIES: Final = 50


def allowed_models(models: Sequence[Model], limits: Limits) -> list[Model]:
    """Return the models that an agent may call."""
    globs = limits.models
    if globs is None:
        return list(models)
    return [model for model in models if any(fnmatchcase(model.name, glob) for glob in globs)]


def find_model(models: Sequence[Model], name: str) -> Model:
    """Return a model by name.

    Raises:
        Refused: 404 if the agent has no such model.
    """
    for model in models:
        if model.name == name:
            return model
    shown = ascii(name if len(name) <= 100 else f"{name[:100]}...")
    raise refusal(
        f"the model {shown} does not exist here, or this agent may not use it; GET /v1/models lists those it may",
        code="model_not_found",
        status=404,
        param="model",
    )


def openai_model(model: Model) -> dict[str, object]:
    """Return OpenAI's description of a model."""
    return {"id": model.name, "object": "model", "created": model.created, "owned_by": model.owner}


def openai_list(models: Sequence[Model]) -> dict[str, object]:
    """Return OpenAI's list; it has no pages."""
    return {"object": "list", "data": [openai_model(model) for model in models]}


def anthropic_model(model: Model) -> dict[str, object]:
    """Return Anthropic's description of a model."""
    created = datetime.fromtimestamp(model.created, UTC)
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": model.context,
        "max_tokens": model.output,
    }


def anthropic_list(models: Sequence[Model], query: bytes) -> dict[str, object]:
    """Return one page of Anthropic's list.

    Args:
        query: The query string: ``limit``, ``after_id``, ``before_id``; others are ignored.

    Raises:
        Refused: If one of them is not acceptable.
    """
    limit, wanted = read_page(query, _ENTRIES, MOST_ENTRIES)
    names = [model.name for model in models]
    after, before = wanted.get("after_id"), wanted.get("before_id")
    if after and before:
        raise _bad_page("after_id and before_id exclude each other; send one of them", "before_id")
    if before:
        end = _find(names, before[-1], "before_id")
        start = max(0, end - limit)
        page, more = models[start:end], start > 0
    else:
        start = _find(names, after[-1], "after_id") + 1 if after else 0
        page, more = models[start : start + limit], start + limit < len(models)
    return {
        "data": [anthropic_model(model) for model in page],
        "has_more": more,
        "first_id": page[0].name if page else None,
        "last_id": page[-1].name if page else None,
    }


def gemini_model(model: Model) -> dict[str, object]:
    """Return Gemini's description of a model; limits that are not known are left out."""
    limits = {"inputTokenLimit": model.context, "outputTokenLimit": model.output}
    return {
        "name": f"models/{model.name}",
        "version": "",
        "displayName": model.name,
        "description": "",
        **{name: limit for name, limit in limits.items() if limit is not None},
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def gemini_list(models: Sequence[Model], query: bytes) -> dict[str, object]:
    """Return one page of Gemini's list; the token of the next page is the name of its first model.

    Args:
        query: The query string: ``pageSize``, ``pageToken``; others are ignored.

    Raises:
        Refused: If one of them is not acceptable.
    """
    limit, wanted = read_page(query, _GEMINI_ENTRIES, MOST_ENTRIES, "pageSize")
    token = wanted.get("pageToken", [""])[-1]
    names = [model.name for model in models]
    start = _find(names, token, "pageToken") if token else 0
    page: dict[str, object] = {"models": [gemini_model(model) for model in models[start : start + limit]]}
    if start + limit < len(models):
        page["nextPageToken"] = names[start + limit]
    return page


def _find(names: Sequence[str], name: str, param: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise _bad_page(f"{param} names a model that is not in the list: {name[:100]!a}", param) from None


def _bad_page(reason: str, param: str) -> Refused:
    return refusal(reason, code="invalid_value", param=param)
