"""Deployments and executions as a person reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from aexl_plane.cli.options import Target, say

Colour = Literal["red", "green", "yellow", "dim"]

_CODES: Final[Mapping[Colour, str]] = {"red": "31", "green": "32", "yellow": "33", "dim": "2"}

DEPLOYMENTS: Final = ("DEPLOYMENT", "ENVIRONMENT", "SNAPSHOT", "STATUS", ">WEIGHT", "CAUSE", "RUNTIME", "BY", "CREATED")


def paint(text: str, colour: Colour) -> str:
    """Return a text in a colour, where standard output is a terminal and ``NO_COLOR`` is not set."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def deployment_row(made: Mapping[str, Any]) -> Sequence[str]:
    """Return the cells of ``DEPLOYMENTS``."""
    return (
        made["id"],
        made["environment"],
        made["snapshot"][:12],
        made["status"],
        f"{made['weight']} %",
        made["cause"],
        made["runtime"],
        made["by"],
        made["created"],
    )


def deployed(target: Target, made: Mapping[str, Any]) -> None:
    """Say what became of a deployment that was asked for."""
    what = f"{made['snapshot'][:12]} in {made['environment']} of {target.sentence()}"
    match made["status"]:
        case "waiting":
            say(f"Waits for approval: {what}, deployment {made['id']}.")
            say(f"Somebody who may decide: aexl deploy approve {made['id']}")
        case "rejected":
            say(f"Rejected: {what}{_reason(made)}.")
        case _:
            canary = f" for {made['weight']} % of the requests" if made["weight"] < 100 else ""
            say(f"Serves{canary}: {what}, deployment {made['id']}.")


def _reason(made: Mapping[str, Any]) -> str:
    who = f" by {made['decided_by']}" if made.get("decided_by") else ""
    return f"{who}: {made['reason']}" if made.get("reason") else who


def changes(found: Iterable[Mapping[str, Any]]) -> None:
    """Show what differs between two results, one place after the other."""
    import json

    for each in found:
        say(each["path"] or "(the whole)")
        if "old" in each:
            say(paint(f"- {json.dumps(each['old'], ensure_ascii=False)}", "red"))
        if "new" in each:
            say(paint(f"+ {json.dumps(each['new'], ensure_ascii=False)}", "green"))
