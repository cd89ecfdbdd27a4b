"""Names of plugins on the command line: completing one, and finding what it means."""

from __future__ import annotations

from typing import Any, Final

import typer

from aexl.core.config.sections import suggestion
from aexl.core.plugins import Source, find_sources
from aexl.core.session import CommandSession
from aexl.errors import NotFound


def complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of plugins that begin so; nothing is loaded for that."""
    session = ctx.obj
    if not isinstance(session, CommandSession):
        return []
    return [source.name for source in find_sources(session.home) if source.name.startswith(incomplete)]


# Any: Typer's arguments stand in for values of another type.
NAME: Final[Any] = typer.Argument(help="The plugin, or the distribution it came with.", autocompletion=complete_name)


def known_source(session: CommandSession, name: str) -> Source:
    """Return the plugin of a name, or the first one of a distribution of that name.

    Raises:
        NotFound: If there is none; suggests one.
    """
    sources = find_sources(session.home)
    found = [source for source in sources if source.name == name] or [s for s in sources if s.origin == name]
    if not found:
        raise NotFound(f"there is no plugin {name!r}{suggestion(name, [source.name for source in sources])}")
    return found[0]
