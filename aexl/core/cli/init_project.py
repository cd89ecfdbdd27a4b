"""``aexl init --project``: files with handlers, their snapshots, and the way to the login's project.

What is a plugin's is asked of its command, as a person would: without the plugin it is left out, and said.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from shlex import quote
from typing import Any, Final

import typer

from aexl.api.neighbours import ask_command
from aexl.errors import Invalid
from aexl.templates.beginning import read_project

REMOTE: Final = "origin"


def begin_project(ctx: typer.Context, folder: Path, home: Path) -> None:
    """Make a project in a folder; nothing that is there is changed.

    Raises:
        Invalid: If the folder is the home, or cannot be made.
    """
    root = folder.expanduser().absolute()
    if root.resolve() == home.resolve():
        raise Invalid(f"{root} is aexl's own home; name another folder for a project")
    try:
        root.mkdir(parents=True, exist_ok=True)
        made = _write(root)
    except OSError as error:
        raise Invalid(f"{root} cannot have a project: {error.strerror}") from error
    _say(f"{root}: wrote {', '.join(made)}." if made else f"{root}: every file was there already.")
    with chdir(root):
        remote = _begin_snapshots(ctx, made)
    _say_next(root, remote)


def _write(root: Path) -> list[str]:
    made = []
    for name, text in read_project().items():
        try:
            with (root / name).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        made.append(name)
    return made


def _begin_snapshots(ctx: typer.Context, made: Sequence[str]) -> str | None:
    """Begin snapshots, with a first one of what was made; return the remote they are pushed to."""
    begun = _ask(ctx, "snapshot", "init")
    if begun is None:
        return None
    if begun["created"]:
        ignored = [".aexlignore"] if begun["ignore_file"] else []
        _ask(ctx, "snapshot", "add", *made, *ignored)
        committed = _ask(ctx, "snapshot", "commit", "-m", "The project's beginning") if made or ignored else None
        _say("Began snapshots." if committed is None else f"Began snapshots; the first is {committed['id'][:12]}.")
    remotes = {each["name"]: each["url"] for each in _ask(ctx, "snapshot", "remote", "list") or ()}
    if REMOTE in remotes:
        return str(remotes[REMOTE])
    found = _ask(ctx, "info", quiet=True)
    url = (found or {}).get("remote")
    if url is None or _ask(ctx, "snapshot", "remote", "add", REMOTE, url) is None:
        return None
    _say(f"Snapshots are pushed to {url}.")
    return str(url)


def _say_next(root: Path, remote: str | None) -> None:
    lines = [f"cd {quote(os.path.relpath(root))}"] if root != Path.cwd() else []
    lines.append('aexl runtime invoke . --kind tool --handler slugify --event \'{"title": "Hello World"}\'')
    lines.append("aexl runtime execute . --handler test_handlers.run")
    if remote is None:
        lines += ["aexl auth login            # or, on the server's machine: aexl auth bootstrap"]
        lines += ["aexl init --project        # again: it then adds the remote of the login's project"]
    else:
        lines += ["aexl snapshot push", "aexl deploy dev"]
    _say("Next:\n" + "\n".join(f"  {line}" for line in lines))


def _ask(ctx: typer.Context, *words: str, quiet: bool = False) -> Any:
    """Return what a command answers, ``None`` where it fails or does not exist.

    Args:
        quiet: A failure is expected, and not shown.
    """
    said = ask_command(ctx, *words)
    if said is None:
        _say(f"There is no 'aexl {words[0]}' here: its plugin is switched off.")
        return None
    if said.status and not quiet:
        sys.stderr.write(said.errors)
    return said.value


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
