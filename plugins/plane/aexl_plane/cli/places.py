"""What the commands of ``aexl deploy`` name: environments, deployments, snapshots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import typer

from aexl.api.neighbours import ask_command
from aexl.errors import AexlError, Conflict, NotFound
from aexl_plane.cli.options import Target, find_target
from aexl_plane.client.calling import segment
from aexl_plane.client.target import Wanted

ORDER: Final = ("dev", "staging", "prod")
"""How environments follow each other where nobody says otherwise."""

_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BEGINNING: Final = re.compile(r"[0-9a-f]{6,63}", re.ASCII)


def complete_environment(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the project's environments that begin so; the usual ones where the server cannot be asked."""
    try:
        target = find_target(ctx.obj, Wanted())
        found = target.server.calling.json("GET", f"{target.path}/environments", timeout=2.0)["environments"]
        names = [str(each["name"]) for each in found]
    except (AexlError, AttributeError):  # a shell completes without a session, too
        names = list(ORDER)
    return [name for name in names if name.startswith(incomplete)]


def environment_path(target: Target, name: str) -> str:
    """Return where the routes of an environment begin."""
    return f"{target.path}/environments/{segment(name)}"


def next_environment(name: str) -> str:
    """Return where an environment is promoted to, if nobody says.

    Raises:
        NotFound: If that cannot be said of it.
    """
    after = dict(pairwise(ORDER))
    if name not in after:
        raise NotFound(f"where is {name} promoted to? Name it: aexl deploy promote {name} ENV")
    return after[name]


def find_snapshot(ctx: typer.Context, target: Target, name: str | None) -> str | None:
    """Return the id of a snapshot that a person has named; ``None`` for the project's present state.

    A name is looked for in the snapshots of this folder first, then in those of the server.

    Raises:
        NotFound: If there is none, or it is here and was not pushed.
    """
    if name is None:
        return None
    local = None if _ID.fullmatch(name) else _find_here(ctx, name)
    known = [str(each["id"]) for each in _snapshots(target)]
    wanted = local or name
    if wanted in known:
        return wanted
    if _ID.fullmatch(wanted):
        return _look_up(ctx, target, wanted, here=local is not None)
    found = [each for each in known if _BEGINNING.fullmatch(wanted) and each.startswith(wanted)]
    if len(found) > 1:
        raise Conflict(f"{name} begins {len(found)} snapshots; write more of it")
    if not found:
        raise NotFound(f"there is no snapshot {name!r}, neither here nor at {target.sentence()}")
    return found[0]


def _look_up(ctx: typer.Context, target: Target, snapshot: str, *, here: bool) -> str:
    """Return a whole id that is not among the latest, if the server has it all the same."""
    try:
        target.server.calling.json("GET", f"{target.path}/snapshots/{segment(snapshot)}/files")
    except NotFound as error:
        if here or _find_here(ctx, snapshot) is not None:
            raise NotFound(
                f"the snapshot {snapshot[:12]} is here and not at {target.sentence()}; 'aexl snapshot push' sends it"
            ) from error
        raise
    return snapshot


def _find_here(ctx: typer.Context, name: str) -> str | None:
    said = ask_command(ctx, "snapshot", "show", name, "--stat")
    return None if said is None or said.status else str(said.value["id"])


def _snapshots(target: Target) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = target.server.calling.json("GET", f"{target.path}/snapshots?limit=1000")[
        "snapshots"
    ]
    return found


def find_waiting(target: Target, wanted: str | None) -> str:
    """Return the id of the deployment to decide on: the named one, or the only one that waits.

    Raises:
        NotFound: If none waits.
        Conflict: If several do.
    """
    if wanted is not None:
        return wanted
    states = target.server.calling.json("GET", f"{target.path}/environments")["environments"]
    waiting = [each for state in states for each in state["waiting"]]
    if not waiting:
        raise NotFound(f"no deployment waits for approval in {target.sentence()}")
    if len(waiting) > 1:
        named = ", ".join(f"{each['id']} ({each['environment']})" for each in waiting)
        raise Conflict(f"{len(waiting)} deployments wait; name one: {named}")
    return str(waiting[0]["id"])
