"""Which tools are offered, and what one use costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aexl.api import Config, Price, Rates
from aexl.api.money import parse_usd
from aexl.errors import ConfigError, Invalid, Problem
from aexl_runtime.settings import ToolTable

if TYPE_CHECKING:
    from aexl_runtime.tools.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool.

    Attributes:
        project: The snapshot or folder that has it; empty for one with a manifest.
        handler: Its name there.
        price: Nano-dollars for one use.
        timeout: Seconds.
    """

    name: str
    project: str = ""
    handler: str = ""
    manifest: Manifest | None = None
    price: int = 0
    timeout: float = 30.0

    def price_table(self) -> Price:
        """Return the price as settlements have it."""
        return Price(version=f"tools:{self.name}:{self.price}", rates=Rates(), tool_uses={self.name: self.price})


def read_tools(config: Config) -> Mapping[str, Tool]:
    """Return the tools of ``[tools.<name>]``.

    Raises:
        ConfigError: With everything that is wrong in the tables, and in the manifests that they name.
    """
    tools, problems = {}, []
    for name, table in config.mapping(ToolTable).items():
        key = f"tools.{name}"
        try:
            tools[name] = _read(name, table)
        except Invalid as error:
            problems.append(Problem(key=key, message=str(error)))
    if problems:
        raise ConfigError(problems)
    return tools


def _read(name: str, table: ToolTable) -> Tool:
    if not 1 <= len(name) <= 128:
        raise Invalid("a tool's name has 1 to 128 characters")
    if bool(table.snapshot) == bool(table.manifest):
        raise Invalid("needs either 'snapshot' or 'manifest'")
    price = parse_usd(table.price, "price")
    if table.snapshot:
        handler = table.handler or name
        return Tool(name=name, project=table.snapshot, handler=handler, price=price, timeout=table.timeout)
    from aexl_runtime.tools.manifest import read_manifest

    manifest = read_manifest(Path(table.manifest))
    known = price if table.price != "0" else manifest.price
    return Tool(name=name, manifest=manifest, price=known, timeout=min(table.timeout, manifest.seconds))
