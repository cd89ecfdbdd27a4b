"""``aexl pipeline hook``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_pipelines.cli.opening import find, load
from aexl_pipelines.cli.root import JSON, app, say
from aexl_pipelines.hooking.dialects import DIALECTS, Dialect, Scope, dialect_of
from aexl_pipelines.hooking.entries import HookOptions, found
from aexl_pipelines.hooking.installing import SettingsFile, program_words
from aexl_pipelines.language.discovery import find_project
from aexl_pipelines.language.problems import suggest

hook = typer.Typer(no_args_is_help=True, help="The same gates in your own sessions with an agent CLI, by its hooks.")
app.add_typer(hook, name="hook")

_ON_GATE: Final = ("approve", "reject", "fail")
_CLI: Final[Any] = typer.Argument(help="claude, codex or gemini.", metavar="CLI")
_PROJECT: Final[Any] = typer.Option(
    False, "--project", help="In the project's settings, which others share; the default."
)
_USER: Final[Any] = typer.Option(False, "--user", help="In your own settings, for all projects.")
_DRY: Final[Any] = typer.Option(False, "--dry-run", help="Show what would change, and change nothing.")
_PIPELINE: Final[Any] = typer.Option(
    None, "--pipeline", "-p", metavar="PATH|NAME", help="The pipeline; by default the project's own."
)
_GATE: Final[Any] = typer.Option(
    None, "--on-gate", metavar="approve|reject|fail", help="Answers every gate; without it you are told of it."
)
_TIMEOUT: Final[Any] = typer.Option(
    1800.0, "--timeout", min=10, max=86_400, help="Seconds that the steps after an answer may take."
)
_WAIT: Final[Any] = typer.Option(
    0.0, "--wait", min=0, max=86_400, help="Seconds that a gate waits for 'aexl pipeline approve' or HTTP."
)
_ROUNDS: Final[Any] = typer.Option(
    3, "--rounds", min=0, max=100, help="How often in a row the agent is sent back to its work."
)


@hook.command(
    epilog="Examples: aexl pipeline hook install claude  ·  aexl pipeline hook install codex --user -p ~/gates.yaml"
)
def install(
    ctx: typer.Context,
    cli: str = _CLI,
    project: bool = _PROJECT,
    user: bool = _USER,
    pipeline: str | None = _PIPELINE,
    on_gate: str | None = _GATE,
    timeout: float = _TIMEOUT,
    wait: float = _WAIT,
    rounds: int = _ROUNDS,
    dry_run: bool = _DRY,
    as_json: bool = JSON,
) -> None:
    """Let a CLI's own sessions pass the pipeline: its tool policy before each tool, its steps after each answer.

    Everything else in the settings stays as it is; doing it again changes nothing, with other options
    replaces what is there. What agents of a pipeline do is left alone.
    """
    session: Session = ctx.obj
    dialect, scope = dialect_of(cli), _scope(project=project, user=user)
    if on_gate is not None and on_gate not in _ON_GATE:
        raise Invalid(f"--on-gate is {', '.join(_ON_GATE)}, not {on_gate!r}; {suggest(on_gate, _ON_GATE)}")
    root = find_project(Path.cwd())
    given = _pipeline_word(session, pipeline, scope, root)
    options = HookOptions(pipeline=given, on_gate=on_gate, timeout=timeout, wait=wait, rounds=rounds)
    file = SettingsFile(dialect.settings(scope, root, os.environ))
    file.install(dialect, program_words(scope), options)
    _finish(session, file, dialect, "installed", dry_run=dry_run, as_json=as_json)


@hook.command(epilog="Examples: aexl pipeline hook remove claude  ·  aexl pipeline hook remove gemini --user --dry-run")
def remove(
    ctx: typer.Context,
    cli: str = _CLI,
    project: bool = _PROJECT,
    user: bool = _USER,
    dry_run: bool = _DRY,
    as_json: bool = JSON,
) -> None:
    """Take the hooks out of a CLI's settings again; everything else stays as it is."""
    dialect, scope = dialect_of(cli), _scope(project=project, user=user)
    file = SettingsFile(dialect.settings(scope, find_project(Path.cwd()), os.environ))
    file.remove(dialect)
    _finish(ctx.obj, file, dialect, "removed", dry_run=dry_run, as_json=as_json)


@hook.command(epilog="Examples: aexl pipeline hook status  ·  aexl pipeline hook status --json")
def status(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show where hooks are installed, and what they run."""
    session: Session = ctx.obj
    root = find_project(Path.cwd())
    scopes: tuple[Scope, ...] = ("project", "user")
    states = [_state(dialect, scope, root) for dialect in DIALECTS.values() for scope in scopes]
    if as_json:
        return session.json(states)
    columns = ("cli", "scope", "state", "settings", "runs")
    return session.table(columns, [[str(state[column]) for column in columns] for state in states])


@hook.command(hidden=True, epilog="Example: aexl pipeline hook run Stop --for claude")
def run(
    ctx: typer.Context,
    event: str = typer.Argument(help="The CLI's event."),
    cli: str = typer.Option(..., "--for", metavar="CLI", help="Whose hook it is."),
    pipeline: str | None = _PIPELINE,
    on_gate: str | None = _GATE,
    timeout: float = _TIMEOUT,
    wait: float = _WAIT,
    rounds: int = _ROUNDS,
) -> None:
    """Answer a CLI's hook: reads its JSON on standard input, writes the answer's on standard output."""
    from aexl_pipelines.hooking.serving import serve

    options = HookOptions(pipeline=pipeline, on_gate=on_gate, timeout=timeout, wait=wait, rounds=rounds)
    serve(ctx.obj, dialect_of(cli), event, sys.stdin.buffer.read(), options)


def _scope(*, project: bool, user: bool) -> Scope:
    if project and user:
        raise Invalid("--project and --user are two places: do it once for each")
    return "user" if user else "project"


def _pipeline_word(session: Session, given: str | None, scope: Scope, root: Path) -> str | None:
    """Return what the hook is told with ``--pipeline``, once that pipeline has been seen to be sound.

    The person's own hooks run in any folder, and so never what a folder brings along.
    """
    own = session.home / "pipelines" / "default.yaml"
    if scope == "user" and given is None:
        if not own.is_file():
            raise Invalid(
                f"which pipeline shall run in all your sessions? Name it with --pipeline, or make {own}; "
                "what a project brings along runs only with --project, in that project"
            )
        given = str(own)
    path = find(session, given)
    load(session, path).unwrap()
    if given is None:
        return None
    return str(path.relative_to(root)) if scope == "project" and path.is_relative_to(root) else str(path)


def _finish(session: Session, file: SettingsFile, dialect: Dialect, done: str, *, dry_run: bool, as_json: bool) -> None:
    changed = file.changed
    if changed and not dry_run:
        file.write()
    if as_json:
        return session.json({"settings": str(file.path), "changed": changed, "written": changed and not dry_run})
    if dry_run:
        return say(file.diff().rstrip("\n") if changed else f"Nothing would change in {file.path}.")
    if not changed:
        return say(f"Nothing to do: the hooks are {done} in {file.path}.")
    say(f"Hooks {done} in {file.path}.")
    return say(dialect.trust) if done == "installed" else None


def _state(dialect: Dialect, scope: Scope, root: Path) -> dict[str, str]:
    path = dialect.settings(scope, root, os.environ)
    state = {"cli": dialect.name, "scope": scope, "settings": str(path), "state": "off", "runs": ""}
    try:
        lines = found(SettingsFile(path).before, dialect, str(path))
    except Invalid as error:
        return {**state, "state": "unreadable", "runs": str(error)}
    if lines:
        whole = len(lines) == len(dialect.events) and all(len(each) == 1 for each in lines.values())
        stop = lines.get("stop", next(iter(lines.values())))[0]
        return {**state, "state": "on" if whole else "partly", "runs": stop}
    return state
