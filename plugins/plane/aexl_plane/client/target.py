"""What a command acts on: which server, as whom, which workspace and project. Decided once, shown, and used.

A token goes to the server that it was made by and to no other: a profile's token is
never sent to a URL that a flag or variable names instead of the profile's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from aexl.api import Session
from aexl.errors import Invalid, NotFound
from aexl_plane.client.calling import Caller, check_url, segment
from aexl_plane.client.credentials import Credentials, Profile
from aexl_plane.options import TABLE, PlaneOptions

Source = Literal["AEXL_TOKEN", "file", "keyring"]

TOKEN: Final = "AEXL_TOKEN"  # noqa: S105 - a variable's name


def given_token() -> str:
    """Return the token that the environment has; empty where it has none."""
    return os.environ.get(TOKEN, "").strip()


def check_named(what: str, name: object) -> None:
    """Refuse an empty name: a variable that is not set is no way to leave something out.

    Raises:
        Invalid: If it is empty.
    """
    if name == "":
        raise Invalid(f"{what} is empty: name something, or leave it out; is a variable not set?")


class Wanted(NamedTuple):
    """What flags have named; ``None`` where they have not."""

    profile: str | None = None
    url: str | None = None
    workspace: str | None = None
    project: str | None = None

    def check(self) -> None:
        """Refuse empty names.

        Raises:
            Invalid: If there is one.
        """
        for what, name in self._asdict().items():
            check_named(f"the {what}", name)


class Server(NamedTuple):
    """A server, and who asks it.

    Attributes:
        profile: The profile's name; ``None`` where variables alone decide.
        source: Where the token is from.
        login: The profile, if it is one of this server.
    """

    url: str
    profile: str | None
    source: Source
    login: Profile | None
    calling: Caller


class Place(NamedTuple):
    """A workspace, and a project of it where one is chosen, as the server has them."""

    workspace: Mapping[str, Any]
    project: Mapping[str, Any] | None

    @property
    def slug(self) -> str:
        """Both slugs, as ``main/demo``."""
        return "/".join(str(each["slug"]) for each in (self.workspace, self.project) if each is not None)

    @property
    def path(self) -> str:
        """Where our own routes for the project begin.

        Raises:
            NotFound: If none is chosen.
        """
        if self.project is None:
            raise NotFound(
                f"no project of {self.workspace['slug']} is chosen; 'aexl project use NAME' does, or -p NAME"
            )
        return f"/api/v1/workspaces/{segment(self.workspace['id'])}/projects/{segment(self.project['id'])}"


def find_server(session: Session, wanted: Wanted) -> Server:
    """Return the server that a command talks to.

    Raises:
        NotFound: If nobody has logged in, and no variable has a token.
        Invalid: If the token at hand belongs to another server, or a name is empty.
    """
    wanted.check()
    credentials = Credentials(session.home)
    kept = credentials.read()
    name = wanted.profile or os.environ.get("AEXL_PROFILE")
    login = credentials.profile(name) if name else kept.profiles.get(kept.current)
    name = name or (kept.current if login else None)
    url = find_url(session, wanted.url, login)
    given = given_token()
    if given:
        same = login is not None and login.url == url
        return Server(url, name if same else None, "AEXL_TOKEN", login if same else None, Caller(url, given))
    if login is None or name is None:
        raise NotFound(
            "nobody has logged in: 'aexl auth login' with a token. On the server's machine 'aexl auth bootstrap' makes "
            "the first one, and 'aexl auth tenant token NAME' another one where all are lost"
        )
    if login.url != url:
        raise Invalid(
            f"the profile {name} is for {login.url}, and its token is not sent to {url}; "
            f"set {TOKEN}, or log in there under another name: aexl auth login --url {url} --profile NAME"
        )
    token, source = credentials.token(name, login)
    return Server(url, name, source, login, Caller(url, token))


def find_url(session: Session, flag: str | None, login: Profile | None) -> str:
    """Return a server's URL: of the flag, ``AEXL_URL``, the profile, the configuration, or the server on this machine.

    Raises:
        NotFound: If none of them names one.
        Invalid: If it is none.
    """
    named = flag or os.environ.get("AEXL_URL") or (login.url if login else "")
    named = named or session.section(TABLE, PlaneOptions).url
    if not named:
        running = session.running()
        if running is None:
            raise NotFound(
                "which server? Name it with --url, AEXL_URL or [plane] url, or start one here: aexl daemon start"
            )
        named = str(running["url"])
    return check_url(named)


def find_place(server: Server, wanted: Wanted, me: Mapping[str, Any]) -> Place | None:
    """Return the workspace and project that a command acts on; ``None`` where no workspace is chosen.

    Flags win over ``AEXL_WORKSPACE`` and ``AEXL_PROJECT``, those over what the profile
    has chosen; where there is only one, it is that one.

    Args:
        me: The answer of ``/api/v1/me``.

    Raises:
        NotFound: If what is named does not exist, or what was chosen is gone.
    """
    login = server.login
    name = wanted.workspace or os.environ.get("AEXL_WORKSPACE")
    kept = login.workspace.id if login and login.workspace else None
    workspace = _pick("workspace", me["workspaces"], name, kept)
    if workspace is None:
        return None
    named = wanted.project or os.environ.get("AEXL_PROJECT")
    stays = login is not None and login.project is not None and kept == workspace["id"]
    chosen = login.project.id if stays and login and login.project else None
    return Place(workspace, _pick("project", workspace["projects"], named, chosen))


def _pick(what: str, places: list[Mapping[str, Any]], name: str | None, chosen: str | None) -> Mapping[str, Any] | None:
    wanted = name or chosen
    if wanted is None:
        return places[0] if len(places) == 1 else None
    found = next((place for place in places if wanted in (place["id"], place["slug"])), None)
    if found is None:
        there = ", ".join(str(place["slug"]) for place in places) or "none"
        raise NotFound(f"there is no {what} {wanted!r} here; there are: {there}")
    return found
