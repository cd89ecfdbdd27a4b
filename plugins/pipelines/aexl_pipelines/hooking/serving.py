"""Answering a CLI's hook: when a turn begins, before a tool, and after the answer."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from aexl.api import Session, Snapshots
from aexl.errors import AexlError
from aexl_pipelines.cli.opening import load
from aexl_pipelines.hooking.dialects import Dialect, HookCall, Moment, moment_of, read_call
from aexl_pipelines.hooking.entries import HookOptions
from aexl_pipelines.hooking.policy import explain, judge
from aexl_pipelines.hooking.turns import Turn, Turns
from aexl_pipelines.language.discovery import choose, find_project
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.parts import Tools
from aexl_pipelines.runners.environment import WITHIN

Answer = dict[str, object]


def serve(session: Session, dialect: Dialect, event: str, data: bytes, options: HookOptions) -> None:
    """Read what the CLI said, and print the answer; what goes wrong is an answer too."""
    moment = moment_of(dialect, event)
    try:
        answer = {} if WITHIN in os.environ else _answer(session, dialect, moment, read_call(data), options)
    except AexlError as error:
        answer = _closed(dialect, moment, str(error))
    except Exception as error:  # the CLI would go on as if there were no hook
        traceback.print_exc()
        answer = _closed(dialect, moment, f"{type(error).__name__}: {error}")
    sys.stdout.write(json.dumps(answer) + "\n")


def _closed(dialect: Dialect, moment: Moment, problem: str) -> Answer:
    """Return the answer where the pipeline cannot be asked: no tool runs, and the person is told."""
    if moment == "tool":
        return dialect.deny(f"The pipeline that decides about tools cannot be asked, so none runs: {problem}")
    return dialect.note(f"aexl: the pipeline could not be asked: {problem}")


def _answer(session: Session, dialect: Dialect, moment: Moment, call: HookCall, options: HookOptions) -> Answer:
    project = _enter_project(call)
    path = choose(options.pipeline, project, session.home)
    if path is None:
        return {}
    match moment:
        case "prompt":
            begin_turn(session, dialect, call, project)
            return {}
        case "tool":
            return judge_tool(session, dialect, call, load(session, path), options)
        case "stop":
            from aexl_pipelines.hooking.checking import check_answer

            return check_answer(session, dialect, call, load(session, path), options, project)


def _enter_project(call: HookCall) -> Path:
    """Make the project's folder the current one, as it is for every other command, and return it."""
    given = os.environ.get("CLAUDE_PROJECT_DIR") or call.cwd
    here = Path(given) if given else Path.cwd()
    project = find_project(here)
    os.chdir(project)
    return project


def begin_turn(session: Session, dialect: Dialect, call: HookCall, project: Path) -> None:
    """Remember what the person asks, and what the files are now."""
    try:
        base = session.ask(Snapshots, lambda snapshots: snapshots.capture(str(project), "before a turn of a session"))
    except AexlError as error:  # nobody keeps snapshots: the files count as changed
        sys.stderr.write(f"aexl: {error}\n")
        base = None
    Turns(session.home).write(dialect.name, call.session, Turn(prompt=call.prompt, base=base))


def judge_tool(session: Session, dialect: Dialect, call: HookCall, loaded: Loaded, options: HookOptions) -> Answer:
    """Say whether the agent may use a tool; where the policy names others, a person may allow it."""
    tools = session_tools(loaded)
    verdict = judge(tools, call.tool, call.given)
    if verdict in {"open", "allowed"}:
        return {}
    if verdict == "unlisted" and (options.wait or options.on_gate is not None):
        from aexl_pipelines.hooking.asking import ask_permission

        refusal = ask_permission(session, dialect, call, options)
        return {} if refusal is None else dialect.deny(refusal)
    return dialect.deny(explain(verdict, tools, call.tool))


def session_tools(loaded: Loaded) -> Tools | None:
    """Return the policy of the person's session: the invocation's, or the file's."""
    pipeline = loaded.unwrap()
    first = pipeline.steps[0] if pipeline.steps else None
    own = first.tools if first is not None and first.id == "invocation" else None
    return own or pipeline.defaults.tools
