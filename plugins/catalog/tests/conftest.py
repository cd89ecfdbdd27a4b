"""A catalogue whose configuration is given as plain tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from aexl.testing.host import FakeConfig
from aexl_catalog.catalog import Catalog
from aexl_catalog.settings import CatalogSection, ModelTable

MIDNIGHT = 1795219200.0
"""2026-11-21, 00:00 UTC."""

Make = Callable[..., Awaitable[Catalog]]


def config_of(models: Mapping[str, object] | None, catalog: Mapping[str, object] | None) -> FakeConfig:
    section = msgspec.convert(catalog or {}, CatalogSection)
    return FakeConfig(section, mappings={ModelTable: models or {}})


async def make(
    models: Mapping[str, object] | None = None,
    catalog: Mapping[str, object] | None = None,
    now: Callable[[], float] = lambda: MIDNIGHT,
) -> Catalog:
    instance = Catalog(now=now)
    (await instance.prepare(config_of(models, catalog)))()
    return instance


@pytest.fixture
def make_catalog() -> Any:
    return make


PRICE = {"input": "1", "output": "2"}


@pytest.fixture
def test_model() -> dict[str, Any]:
    """A table for a model at provider ``fake``: 1 and 2 USD per million tokens."""
    return {"provider": "fake", "price": PRICE, "limits": {"context": 100_000, "output": 4_000}}
