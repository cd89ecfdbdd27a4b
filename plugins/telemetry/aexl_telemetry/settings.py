"""What is exported where: the table, completed by OpenTelemetry's own environment variables. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from aexl.errors import Invalid
from aexl_telemetry.config import Protocol, TelemetryConfig

Signal = Literal["traces", "metrics"]

TIMEOUT: Final = 10.0
"""The specification's own, in seconds."""

_PREFIX: Final = "OTEL_EXPORTER_OTLP"
_RATIOS: Final[Mapping[str, float]] = {"always_on": 1.0, "always_off": 0.0}


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where one signal goes, and how it is sent."""

    url: str
    headers: Mapping[str, str]
    protocol: Protocol
    gzip: bool
    timeout: float


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is configured; ``destinations`` is empty where nothing is exported."""

    destinations: Mapping[Signal, Destination]
    resource: Mapping[str, str]
    sample: float
    table: TelemetryConfig


def read_settings(table: TelemetryConfig, environ: Mapping[str, str]) -> Settings:
    """Return the settings; the table counts before the variables.

    Raises:
        Invalid: If a variable has a value that cannot be followed.
    """
    environ = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    is_off = not table.enabled or environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    signals: tuple[Signal, ...] = () if is_off else ("traces", "metrics")
    found = {signal: _destination(signal, table, environ) for signal in signals}
    name = table.service_name or environ.get("OTEL_SERVICE_NAME")
    resource = _pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""), "OTEL_RESOURCE_ATTRIBUTES")
    return Settings(
        destinations={signal: destination for signal, destination in found.items() if destination is not None},
        resource={"service.name": "aexl", **resource, **({"service.name": name} if name else {})},
        sample=_sample(environ) if table.sample is None else table.sample,
        table=table,
    )


def _destination(signal: Signal, table: TelemetryConfig, environ: Mapping[str, str]) -> Destination | None:
    if environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp") != "otlp":
        return None
    base = table.endpoint or environ.get(f"{_PREFIX}_ENDPOINT")
    url = None if table.endpoint else environ.get(f"{_PREFIX}_{signal.upper()}_ENDPOINT")
    if url is None and base is not None:
        url = f"{base.rstrip('/')}/v1/{signal}"
    if url is None:
        return None
    if not url.startswith(("http://", "https://")):
        raise Invalid(f"the collector's address must begin with http:// or https://, not {url!r}")
    headers = _pairs(_variable(signal, "HEADERS", environ) or "", f"{_PREFIX}_HEADERS")
    return Destination(
        url=url,
        headers={name.lower(): value for name, value in {**headers, **table.headers}.items()},
        protocol=table.protocol or _protocol(_variable(signal, "PROTOCOL", environ)),
        gzip=(table.compression or _variable(signal, "COMPRESSION", environ)) == "gzip",
        timeout=table.timeout or _timeout(_variable(signal, "TIMEOUT", environ)),
    )


def _variable(signal: Signal, name: str, environ: Mapping[str, str]) -> str | None:
    return environ.get(f"{_PREFIX}_{signal.upper()}_{name}") or environ.get(f"{_PREFIX}_{name}")


def _protocol(value: str | None) -> Protocol:
    if value is None or value == "http/protobuf":
        return "http/protobuf"
    if value == "http/json":
        return "http/json"
    raise Invalid(f"{_PREFIX}_PROTOCOL is {value!r}; aexl exports http/protobuf and http/json")


def _timeout(milliseconds: str | None) -> float:
    if milliseconds is None:
        return TIMEOUT
    if not milliseconds.isdigit() or int(milliseconds) == 0:
        raise Invalid(f"{_PREFIX}_TIMEOUT must be a number of milliseconds, not {milliseconds!r}")
    return int(milliseconds) / 1000


def _sample(environ: Mapping[str, str]) -> float:
    """Return the share for traces without a parent; the parent's decision counts in any case."""
    name = environ.get("OTEL_TRACES_SAMPLER", "always_on").removeprefix("parentbased_")
    if name in _RATIOS:
        return _RATIOS[name]
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "1")
    try:
        ratio = float(argument)
    except ValueError:
        ratio = -1.0
    if name != "traceidratio" or not 0 <= ratio <= 1:
        raise Invalid(
            f"OTEL_TRACES_SAMPLER {name!r} with the argument {argument!r} is not known; set [telemetry] sample"
        )
    return ratio


def _pairs(text: str, variable: str) -> dict[str, str]:
    """Return the pairs of a list such as ``a=1,b=2``, percent-decoded."""
    pairs = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise Invalid(f"{variable} must be a list of NAME=VALUE, separated by commas")  # it may hold a key
        pairs[unquote(name.strip())] = unquote(value.strip())
    return pairs
