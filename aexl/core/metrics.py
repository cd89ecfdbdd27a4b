"""``/metrics``: numbers of the host and its plugins in Prometheus' text format 0.0.4."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from aexl.api import Collector, Sample

logger = logging.getLogger("aexl.metrics")

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


def collect(collectors: Iterable[Collector]) -> Iterable[Sample]:
    """Ask every collector; one that raises is logged and left out."""
    for collector in collectors:
        try:
            yield from list(collector())
        except Exception:
            logger.exception("a collector of metrics failed")


def render(samples: Iterable[Sample]) -> str:
    """Return samples as text, those of one name together."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.name, []).append(sample)
    lines: list[str] = []
    for name, group in groups.items():
        lines += (f"# HELP {name} {_escape(group[0].help)}", f"# TYPE {name} {group[0].kind}")
        lines += (f"{name}{sample.suffix}{_labels(sample)} {_number(sample.value)}" for sample in group)
    return "\n".join(lines) + "\n"


def _labels(sample: Sample) -> str:
    pairs = (f'{name}="{_escape(value).replace(chr(34), chr(92) + chr(34))}"' for name, value in sample.labels.items())
    return "{" + ",".join(pairs) + "}" if sample.labels else ""


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
