"""Gemini CLI, by ``-o stream-json``."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aexl.api import ProcessSpec
from aexl.api.governed import ADAPTERS
from aexl.api.runners import Ability, RunnerRequest
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.environment import agent_environment, home_folders
from aexl_pipelines.runners.gemini_parser import GeminiParser
from aexl_pipelines.runners.launching import ProgramOptions, check_words, compact, full_prompt, read_options
from aexl_pipelines.runners.lines import MOST

_MODES: Final = {"read": "default", "edit": "auto_edit", "all": "yolo"}
"""Without a person, ``default`` takes the tools that write out of the request."""

_ATTEMPTS: Final = 2
"""Of a model call, the first one counted; ten are its own choice."""

_SHELL: Final = "run_shell_command"

_ALLOW, _DENY = 900, 999
"""Priorities of rules: what is denied is denied whatever else says."""


class GeminiRunner:
    """Runs ``gemini``."""

    name = "gemini"
    capabilities: frozenset[str] = frozenset(
        {
            Ability.MODEL,
            Ability.SESSION_ID,
            Ability.RESUME,
            Ability.SYSTEM_REPLACE,
            Ability.TOOLS_ALLOW,
            Ability.TOOLS_DENY,
            Ability.MODE_READ,
            Ability.MODE_EDIT,
            Ability.MODE_ALL,
            Ability.TURNS,
            Ability.USAGE,
            Ability.DELTAS,
            Ability.TOOL_EVENTS,
        }
    )

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it."""
        check_request(self, request)
        options = read_options(self.name, request.options, ProgramOptions)
        files = dict(_files(request))
        policy = _place(request, "policy.toml")
        argv = [
            options.program or "gemini",
            *("-o", "stream-json"),
            *(("-m", request.model) if request.model is not None else ()),
            *(("--approval-mode", _MODES[request.tools.mode]) if request.tools.mode in _MODES else ()),
            *(("--policy", str(policy)) if policy in files else ()),
            *_session(request),
            *options.arguments,
        ]
        check_words(self.name, argv)
        return ProcessSpec(
            argv=argv,
            env=_environment(request, files),
            cwd=request.cwd,
            stdin=full_prompt(request, self.capabilities).encode(),
            folders=home_folders(request),
            files=files,
            cancel=((signal.SIGTERM, 3.0),),
            line_limit=MOST,
        )

    def parser(self, request: RunnerRequest) -> GeminiParser:
        """Return a parser for one run."""
        return GeminiParser(self.name, request)


def _session(request: RunnerRequest) -> Iterator[str]:
    session = request.session
    if session.kind == "resume":
        yield from ("--resume", session.id or "")
    elif session.id is not None:
        yield from ("--session-id", session.id)


def _files(request: RunnerRequest) -> Iterator[tuple[Path, str]]:
    yield _settings_place(request), compact(_settings(request))
    if request.system is not None:
        yield _place(request, "system.md"), request.system
    if request.tools.allow or request.tools.deny:
        rules = [*(_rule(tool, "allow", _ALLOW) for tool in request.tools.allow)]
        rules += [_rule(tool, "deny", _DENY) for tool in request.tools.deny]
        yield _place(request, "policy.toml"), "\n".join(rules)


def _place(request: RunnerRequest, name: str) -> Path:
    return request.home / "gemini" / name


def _settings_place(request: RunnerRequest) -> Path:
    """Return where the settings go: beside the person's own where those count, and else in the run's home."""
    own = request.login and request.access is None
    return _place(request, "settings.json") if own else request.home / ".gemini" / "settings.json"


def _settings(request: RunnerRequest) -> Mapping[str, object]:
    settings: dict[str, object] = {
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"maxAttempts": _ATTEMPTS, "disableAutoUpdate": True},
    }
    if request.access is not None:
        # With a base URL and no such choice it refuses to start.
        settings["security"] = {"auth": {"selectedType": "gemini-api-key"}}
    if request.limits.turns is not None:
        settings["model"] = {"maxSessionTurns": request.limits.turns}
    return settings


def _environment(request: RunnerRequest, files: Mapping[Path, str]) -> dict[str, str]:
    env = agent_environment(GeminiRunner.name, request)
    env |= {
        # Without it a process of its own stands before it, which hears no signal.
        "GEMINI_CLI_NO_RELAUNCH": "true",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "GEMINI_TELEMETRY_ENABLED": "false",
    }
    if request.access is not None:
        env |= ADAPTERS["gemini"].variables(request.access, env)
    elif request.login:
        env["GEMINI_CLI_SYSTEM_SETTINGS_PATH"] = str(_settings_place(request))
    system = _place(request, "system.md")
    if system in files:
        env["GEMINI_SYSTEM_MD"] = str(system)
    return env


def _rule(pattern: str, decision: str, priority: int) -> str:
    """Return a rule of its policy files, for ``tool`` or ``run_shell_command(git status)``."""
    tool, bracket, rest = pattern.partition("(")
    values: dict[str, object] = {"toolName": tool, "decision": decision, "priority": priority}
    if bracket:
        values["commandPrefix"] = rest.removesuffix(")")
    elif tool == _SHELL and decision == "allow":
        values["allowRedirection"] = True  # all commands are allowed; of a prefix, `>` would still ask
    return "\n".join(["[[rule]]", *(f"{key} = {compact(value)}" for key, value in values.items()), ""])
