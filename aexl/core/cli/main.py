"""The command line: the host's own commands and the plugins', each imported when it is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from aexl import __version__
from aexl.core.cli.commands import OWN_COMMANDS
from aexl.core.cli.namesake import find_namesake
from aexl.core.cli.output import run_written
from aexl.errors import AexlError, ConfigError

if TYPE_CHECKING:
    from aexl.api import Command
    from aexl.core.session import CommandSession


class LazyGroup(TyperGroup):
    """A group whose commands are known by name and summary, and imported when one of them runs."""

    _completing = False

    @cached_property
    def session(self) -> CommandSession:
        """The session that every command gets as ``ctx.obj``."""
        from aexl.core.home import find_here, find_home, find_project
        from aexl.core.session import CommandSession

        home = find_home(os.environ)
        return CommandSession(home, project=find_project(find_here(), home))

    @cached_property
    def known(self) -> Mapping[str, Command]:
        """All commands by name; the host's own win."""
        plugins = {command.name: command for command in self.session.surroundings.commands}
        return {**plugins, **OWN_COMMANDS}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's interface
        """Return the names, sorted."""
        return sorted(self.known)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command and return it; own commands, and most of the built-in plugins', do not even look at the others."""
        command = OWN_COMMANDS.get(cmd_name) or self._named_like(cmd_name) or self.known.get(cmd_name)
        if command is None:
            return None
        if self._completing:
            return TyperCommand(cmd_name, help=command.summary)
        ctx.obj = self.session
        loaded = command.load()
        loaded.rich_markup_mode = None  # help texts name tables of the configuration: [serve] is no markup
        found = typer.main.get_command(loaded)
        found.name = cmd_name
        found.short_help = command.summary
        return found

    def _named_like(self, name: str) -> Command | None:
        return None if "known" in vars(self) else find_namesake(self.session.home, name)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete a command's name without importing any command."""
        self._completing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._completing = False

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List names and summaries without importing any command."""
        rows = [(name, self.known[name].summary) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error of ours becomes a sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except AexlError as error:
            report(error)
            raise typer.Exit(error.exit_code) from error


def report(error: AexlError) -> None:
    """Print an error for a person, on standard error."""
    if isinstance(error, ConfigError):
        count = len(error.problems)
        sys.stderr.write(f"aexl: the configuration has {count} problem{'s' if count > 1 else ''}:\n")
        sys.stderr.writelines(f"  {problem}\n" for problem in error.problems)
    else:
        sys.stderr.write(f"aexl: {error}\n")


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", "-V", help="Show the version and exit.", is_eager=True),
) -> None:
    """Govern what AI agents spend, change and run.

    Start with 'aexl serve --demo', or 'aexl init' and 'aexl daemon start'.
    """
    if version:
        sys.stdout.write(f"aexl {__version__}\n")
        raise typer.Exit


def run() -> None:
    """Run the command line with the arguments of this process."""
    try:
        run_written(lambda: app(prog_name="aexl"))
    except AexlError as error:
        report(error)
        sys.exit(error.exit_code)
