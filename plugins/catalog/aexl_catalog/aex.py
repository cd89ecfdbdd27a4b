"""Models and providers of an AEX ``models.yaml``, as tables of ``aexl.toml``.

AEX writes prices as whole micro-dollars per token, which is the same number of dollars
per million tokens, so they convert exactly.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from aexl.errors import Invalid

_MODEL_KEYS: Final = frozenset({"provider", "provider_model", "pricing", "limits", "capabilities"})


@dataclass(slots=True)
class Imported:
    """What a file holds.

    Attributes:
        providers: Tables for ``[providers.<name>]``.
        models: Tables for ``[models.<name>]``.
        remarks: What was changed or left out, one sentence each.
    """

    providers: dict[str, dict[str, object]] = field(default_factory=dict)
    models: dict[str, dict[str, object]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def convert(document: object) -> Imported:
    """Return the tables for a parsed ``models.yaml``.

    Raises:
        Invalid: If it is not one, or a value in it is not what AEX accepts; names the value.
    """
    root = _mapping(document, "the file")
    if root.get("version") != 1:
        raise Invalid(f"version must be 1, not {root.get('version')!r}")
    imported = Imported()
    for name, value in _mapping(root.get("providers", {}), "providers").items():
        imported.providers[str(name)] = _provider(str(name), _mapping(value, f"providers.{name}"), imported.remarks)
    for name, value in _mapping(root.get("models", {}), "models").items():
        imported.models[str(name)] = _model(str(name), _mapping(value, f"models.{name}"), imported)
    if "default_model" in root:
        imported.remarks.append("default_model was left out: a call names its model")
    return imported


def _provider(name: str, table: Mapping[object, object], remarks: list[str]) -> dict[str, object]:
    if table.get("type", "openai_compatible") != "openai_compatible":
        raise Invalid(f"providers.{name}.type must be 'openai_compatible', not {table['type']!r}")
    url = table.get("base_url")
    if not isinstance(url, str) or not url:
        raise Invalid(f"providers.{name}.base_url must be a URL, not {url!r}")
    url = url.rstrip("/")
    parts = urlsplit(url)
    if parts.hostname == "api.openai.com" and parts.path in ("", "/"):
        url = f"{url}/v1"
        remarks.append(f"providers.{name}.base_url had no /v1, without which every call is a 404; it is now {url}")
    built: dict[str, object] = {
        "type": "openai",
        "base_url": url,
        "api_key_env": f"{name.upper().replace('-', '_')}_API_KEY",
    }
    if _is_private(parts.hostname or ""):
        built["private"] = True
        remarks.append(f"providers.{name} is on this machine or network, so private = true was set")
    return built


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _model(name: str, table: Mapping[object, object], imported: Imported) -> dict[str, object]:
    provider = table.get("provider")
    if provider not in imported.providers:
        raise Invalid(f"models.{name}.provider must be one of the file's providers, not {provider!r}")
    unknown = sorted(str(key) for key in table if key not in _MODEL_KEYS)
    if unknown:
        imported.remarks.append(f"models.{name}: {', '.join(unknown)} was left out, as AEX ignored it")
    pricing = _mapping(table.get("pricing", {}), f"models.{name}.pricing")
    limits = _mapping(table.get("limits", {}), f"models.{name}.limits")
    if table.get("capabilities"):
        imported.remarks.append(f"models.{name}.capabilities was left out: without it nothing is refused")
    built: dict[str, object] = {"provider": provider, "provider_model": str(table.get("provider_model", name))}
    prices = {
        key: _whole(pricing.get(f"{key}_micro"), f"models.{name}.pricing.{key}_micro", 0) for key in ("input", "output")
    }
    if any(prices.values()):
        built["price"] = {key: str(value) for key, value in prices.items()}
    else:
        built["free"] = True
        imported.remarks.append(f"models.{name} had prices of 0, so it is free")
    if "max_tokens" in limits:
        most = _whole(limits["max_tokens"], f"models.{name}.limits.max_tokens", 1)
        built["limits"] = {"output": most, "enforce": True}  # AEX sends it with calls that name no limit
    return built


def _mapping(value: object, what: str) -> Mapping[object, object]:
    if not isinstance(value, Mapping):
        raise Invalid(f"{what} must be a mapping, not {type(value).__name__}")
    return value


def _whole(value: object, what: str, least: int) -> int:
    if type(value) is not int or value < least:
        raise Invalid(f"{what} must be a whole number of at least {least}, not {value!r}")
    return value
