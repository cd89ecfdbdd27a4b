"""What the commands have in common: options, and what they show of where they act."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import typer

from aexl.api import Session
from aexl.errors import Invalid, NotFound
from aexl_plane.client.target import Place, Server, Wanted, find_place, find_server

# Any: Typer's options stand in for values of another type.
JSON: Final[Any] = typer.Option(False, "--json", help="Print JSON.")
PROFILE: Final[Any] = typer.Option(None, "--profile", help="A login; by default the current one.", metavar="NAME")
URL: Final[Any] = typer.Option(None, "--url", help="The server; by default the profile's.", metavar="URL")
WORKSPACE: Final[Any] = typer.Option(
    None, "--workspace", "-w", help="A workspace; by default the chosen one.", metavar="NAME"
)
PROJECT: Final[Any] = typer.Option(
    None, "--project", "-p", help="A project; by default the chosen one.", metavar="NAME"
)

_YEAR: Final = 366 * 86_400.0


class Target(NamedTuple):
    """What a command acts on, with what the server says of the caller."""

    server: Server
    me: Mapping[str, Any]
    place: Place | None

    @property
    def chosen(self) -> Place:
        """The workspace.

        Raises:
            NotFound: If none is chosen.
        """
        if self.place is None:
            raise NotFound("no workspace is chosen; 'aexl workspace use NAME' does, 'aexl workspace list' shows them")
        return self.place

    @property
    def path(self) -> str:
        """Where our own routes for the project begin.

        Raises:
            NotFound: If no project is chosen.
        """
        return self.chosen.path

    def json(self) -> dict[str, Any]:
        """Return it for programs."""
        place = self.place
        return {
            "url": self.server.url,
            "profile": self.server.profile,
            "user": self.me["email"],
            "tenant": self.me["tenant_name"],
            "workspace": place.workspace["slug"] if place else None,
            "project": place.project["slug"] if place and place.project else None,
        }

    def sentence(self) -> str:
        """Return it in one line."""
        where = self.place.slug if self.place else "no workspace"
        profile = f", profile {self.server.profile}" if self.server.profile else ""
        return f"{where} at {self.server.url} (as {self.me['email']}{profile})"


def find_target(session: Session, wanted: Wanted) -> Target:
    """Return what a command acts on; asks the server."""
    server = find_server(session, wanted)
    me = server.calling.json("GET", "/api/v1/me")
    return Target(server, me, find_place(server, wanted, me))


def check_seconds(option: str, value: float) -> None:
    """Refuse what is no time to wait.

    Raises:
        Invalid: If it is negative, no number, or more than a year.
    """
    if not 0 <= value <= _YEAR:
        raise Invalid(f"{option} must be a number of seconds, up to a year, not {value:g}")


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def say_aside(text: str) -> None:
    """Print a line for a person, beside what a program reads."""
    sys.stderr.write(text + "\n")
