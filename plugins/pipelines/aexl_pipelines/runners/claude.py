"""Claude Code, without a person: stream-json out, and in where its questions shall be answered."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Final

from aexl.api import ProcessSpec, format_usd
from aexl.api.runners import Ability, RunnerRequest
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.claude_parser import ClaudeParser, user_message
from aexl_pipelines.runners.environment import agent_environment, home_folders
from aexl_pipelines.runners.launching import ProgramOptions, check_words, compact, effort, full_prompt, read_options
from aexl_pipelines.runners.lines import MOST

_WRITING: Final = ("Edit", "MultiEdit", "NotebookEdit", "Write")

_MODES: Final = {"read": "default", "edit": "acceptEdits", "all": "bypassPermissions", "ask": "default"}

_RETRIES: Final = "2"
"""Ten are its own choice; the server tries other targets itself."""


class ClaudeOptions(ProgramOptions, frozen=True, kw_only=True):
    """What only this CLI understands; see its own documentation.

    Attributes:
        settings: Settings of its own, hooks among them.
        setting_sources: Whose settings count, of ``user``, ``project`` and ``local``.
        mcp: MCP servers; no others are then used.
        add_dirs: Folders that it may use beside the working one.
        fallback_model: Used where the model is overloaded.
    """

    settings: dict[str, object] | None = None
    setting_sources: tuple[str, ...] | None = None
    mcp: dict[str, object] | None = None
    add_dirs: tuple[str, ...] = ()
    fallback_model: str | None = None


class ClaudeRunner:
    """Runs ``claude -p``."""

    name = "claude"
    capabilities: frozenset[str] = frozenset(
        {
            Ability.MODEL,
            Ability.SESSION_ID,
            Ability.RESUME,
            Ability.FORK,
            Ability.SYSTEM_REPLACE,
            Ability.SYSTEM_APPEND,
            Ability.TOOLS_ALLOW,
            Ability.TOOLS_DENY,
            Ability.TOOLS_OFF,
            Ability.MODE_READ,
            Ability.MODE_EDIT,
            Ability.MODE_ALL,
            Ability.MODE_ASK,
            Ability.TURNS,
            Ability.USD,
            Ability.THINKING,
            Ability.SCHEMA,
            Ability.USAGE,
            Ability.COST,
            Ability.DELTAS,
            Ability.TOOL_EVENTS,
        }
    )

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it."""
        check_request(self, request)
        options = read_options(self.name, request.options, ClaudeOptions)
        asks = request.tools.mode == "ask" and not request.tools.disabled
        prompt = full_prompt(request, self.capabilities)
        argv = [
            options.program or "claude",
            *("-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages"),
            *(("--input-format", "stream-json", "--permission-prompt-tool", "stdio") if asks else ()),
            *_session(request),
            *_model(request),
            *_tools(request),
            *_own(options),
        ]
        check_words(self.name, argv)
        env = agent_environment(self.name, request)
        if not (request.login and request.access is None):
            env["CLAUDE_CONFIG_DIR"] = str(request.home / "claude")
        env |= {
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": _RETRIES,
            "DISABLE_AUTOUPDATER": "1",
        }
        if request.tools.mode == "all":
            env["IS_SANDBOX"] = "1"  # as root it refuses this mode otherwise, though it was asked for
        return ProcessSpec(
            argv=argv,
            env=env,
            cwd=request.cwd,
            stdin=user_message(prompt) if asks else prompt.encode(),
            converse=asks,
            folders=home_folders(request, "claude"),
            cancel=((signal.SIGINT, 5.0), (signal.SIGTERM, 5.0)),
            line_limit=MOST,
        )

    def parser(self, request: RunnerRequest) -> ClaudeParser:
        """Return a parser for one run."""
        return ClaudeParser(self.name, request)


def _session(request: RunnerRequest) -> Iterator[str]:
    session = request.session
    if session.kind == "new":
        if session.id is not None:
            yield from ("--session-id", session.id)
        return
    yield from ("--resume", session.id or "")
    if session.kind == "fork":
        yield "--fork-session"


def _model(request: RunnerRequest) -> Iterator[str]:
    limits = request.limits
    if request.model is not None:
        yield from ("--model", request.model)
    if request.system is not None:
        yield from ("--system-prompt", request.system)
    if request.append_system:
        yield from ("--append-system-prompt", "\n\n".join(request.append_system))
    if limits.turns is not None:
        yield from ("--max-turns", str(limits.turns))
    if limits.usd is not None:
        yield from ("--max-budget-usd", format_usd(limits.usd))
    if request.schema is not None:
        yield from ("--json-schema", compact(request.schema))
    how_much = effort(request.sampling.thinking)
    if how_much is not None:
        yield from ("--effort", how_much)


def _tools(request: RunnerRequest) -> Iterator[str]:
    tools = request.tools
    if tools.disabled:
        yield from ("--tools", "")
        return
    if tools.mode in _MODES:
        yield from ("--permission-mode", _MODES[tools.mode])
    deny = (*tools.deny, *(_WRITING if tools.mode == "read" else ()))
    # One word each: what stands behind a flag of many words is a flag again, and the prompt comes by standard input.
    if tools.allow:
        yield from ("--allowedTools", *tools.allow)
    if deny:
        yield from ("--disallowedTools", *deny)


def _own(options: ClaudeOptions) -> Iterator[str]:
    if options.settings is not None:
        yield from ("--settings", compact(options.settings))
    if options.setting_sources is not None:
        yield from ("--setting-sources", ",".join(options.setting_sources))
    if options.mcp is not None:
        yield from ("--strict-mcp-config", "--mcp-config", compact({"mcpServers": options.mcp}))
    if options.add_dirs:
        yield from ("--add-dir", *options.add_dirs)
    if options.fallback_model is not None:
        yield from ("--fallback-model", options.fallback_model)
    yield from options.arguments
