"""aider, which prints text for people."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aexl.api import ProcessSpec
from aexl.api.governed import ADAPTERS
from aexl.api.runners import Ability, RunnerRequest
from aexl.errors import Invalid
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.aider_parser import AiderParser
from aexl_pipelines.runners.environment import agent_environment, home_folders
from aexl_pipelines.runners.launching import ProgramOptions, check_words, full_prompt, read_options
from aexl_pipelines.runners.lines import MOST

_ALWAYS: Final = (
    "--yes-always",
    "--no-pretty",
    "--no-fancy-input",
    "--no-check-update",
    "--analytics-disable",
    "--no-show-release-notes",
    "--no-show-model-warnings",
    "--no-gitignore",
    "--no-auto-commits",
    "--no-dirty-commits",
    "--no-detect-urls",
    "--no-suggest-shell-commands",
)

_SESSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class AiderOptions(ProgramOptions, frozen=True, kw_only=True):
    """What only this CLI understands.

    Attributes:
        files: Files that it may edit, without being told of them by the model.
        read: Files that it sees and does not edit.
        map_tokens: How much of a map of the repository it sends; only inside a git repository.
        edit_format: How it lets the model write edits.
    """

    files: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    map_tokens: int = 0
    edit_format: str | None = None


class AiderRunner:
    """Runs ``aider --message-file``."""

    name = "aider"
    capabilities: frozenset[str] = frozenset(
        {
            Ability.MODEL,
            Ability.SESSION_ID,
            Ability.RESUME,
            Ability.MODE_READ,
            Ability.MODE_EDIT,
            Ability.USAGE,
            Ability.COST,
            Ability.DELTAS,
        }
    )

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it."""
        check_request(self, request)
        options = read_options(self.name, request.options, AiderOptions)
        message = request.home / "message.txt"
        argv = [
            options.program or "aider",
            *_ALWAYS,
            *_model(request),
            *("--message-file", str(message)),
            *_history(request),
            # Without a repository it would make one.
            *(("--map-tokens", str(options.map_tokens)) if request.repository else ("--no-git", "--map-tokens", "0")),
            *(("--dry-run",) if request.tools.mode == "read" else ()),
            *(word for file in options.files for word in ("--file", file)),
            *(word for file in options.read for word in ("--read", file)),
            *(("--edit-format", options.edit_format) if options.edit_format is not None else ()),
            *options.arguments,
        ]
        check_words(self.name, argv)
        env = agent_environment(self.name, request)
        if request.access is not None:
            env |= ADAPTERS["aider"].variables(request.access, env)
        env["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        return ProcessSpec(
            argv=argv,
            env=env,
            cwd=request.cwd,
            folders=home_folders(request, "aider"),
            files={message: full_prompt(request, self.capabilities)},
            cancel=((signal.SIGTERM, 3.0),),
            line_limit=MOST,
        )

    def parser(self, request: RunnerRequest) -> AiderParser:
        """Return a parser for one run."""
        return AiderParser(self.name, request, session_name(request))


def session_name(request: RunnerRequest) -> str:
    """Return the name of the file that the conversation is kept in.

    Raises:
        Invalid: If it is no name for a file.
    """
    name = request.session.id or "session"
    if _SESSION.fullmatch(name) is None:
        raise Invalid(f"runner {AiderRunner.name} needs a session id of letters, digits, '-' and '_', not {name!r}")
    return name


def _model(request: RunnerRequest) -> Iterator[str]:
    if request.model is None:
        return
    model = request.model if "/" in request.model or request.access is None else f"openai/{request.model}"
    yield from ("--model", model, "--weak-model", model)


def _history(request: RunnerRequest) -> Iterator[str]:
    folder: Path = request.home / "aider"
    yield from ("--chat-history-file", str(folder / f"{session_name(request)}.md"))
    yield from ("--input-history-file", str(folder / "input"))
    if request.session.kind == "resume":
        yield "--restore-chat-history"
