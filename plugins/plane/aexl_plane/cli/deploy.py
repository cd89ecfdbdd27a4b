"""``aexl deploy``: a word that is no command of it is an environment, so that ``aexl deploy dev`` deploys to dev."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

DEPLOY: Final = "to"
"""The command that is meant where none is named."""


class DeployGroup(TyperGroup):
    """Sends what names no command to ``DEPLOY``; no environment may be called like a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the group."""
        own = {option for parameter in self.get_params(ctx) for option in parameter.opts}
        named = bool(args) and (args[0] in self.commands or args[0] in own)
        if not named and (args or not ctx.resilient_parsing):  # a shell that completes the first word has none yet
            args = [DEPLOY, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete commands, and environments."""
        environment = self.commands[DEPLOY].params[0]
        return [*super().shell_complete(ctx, incomplete), *environment.shell_complete(ctx, incomplete)]


app = typer.Typer(cls=DeployGroup, help="Deploy snapshots to environments, and run their handlers.")

# Each module adds its commands to the group above when it is imported.
from aexl_plane.cli import deciding, deploying, executing, logs, watching  # noqa: E402, F401
