"""opencode, by ``opencode run --format json``."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from aexl.api import ProcessSpec
from aexl.api.governed import ADAPTERS, Access
from aexl.api.runners import Ability, RunnerRequest, ToolPolicy
from aexl.api.tables import merge
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.environment import agent_environment, home_folders
from aexl_pipelines.runners.launching import ProgramOptions, check_words, compact, full_prompt, read_options
from aexl_pipelines.runners.lines import MOST
from aexl_pipelines.runners.opencode_parser import OpencodeParser

_PROVIDER: Final = "aexl"
"""The provider of models that are named without one."""

_AGENT: Final = "aexl"

_CONTEXT, _OUTPUT = 200_000, 32_000
"""Tokens; for a model that its catalogue does not know. The server holds the real limits."""

_MODES: Final[Mapping[str, Mapping[str, object]]] = {
    "read": {"edit": "deny", "bash": "deny"},
    "edit": {"edit": "allow", "bash": "deny"},
    "all": {"edit": "allow", "bash": "allow", "webfetch": "allow", "external_directory": "allow"},
}


class OpencodeOptions(ProgramOptions, frozen=True, kw_only=True):
    """What only this CLI understands: ``config`` is laid over the runner's own."""

    config: dict[str, object] = msgspec.field(default_factory=dict)


class OpencodeRunner:
    """Runs ``opencode run``."""

    name = "opencode"
    capabilities: frozenset[str] = frozenset(
        {
            Ability.MODEL,
            Ability.RESUME,
            Ability.FORK,
            Ability.SYSTEM_REPLACE,
            Ability.TOOLS_ALLOW,
            Ability.TOOLS_DENY,
            Ability.TOOLS_OFF,
            Ability.MODE_READ,
            Ability.MODE_EDIT,
            Ability.MODE_ALL,
            Ability.TEMPERATURE,
            Ability.TOP_P,
            Ability.USAGE,
            Ability.COST,
            Ability.TOOL_EVENTS,
        }
    )

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it."""
        check_request(self, request)
        options = read_options(self.name, request.options, OpencodeOptions)
        argv = [
            options.program or "opencode",
            # A title of its own would be a model call of its own.
            *("run", "--format", "json", "--title", "aexl"),
            *(("-m", _model(request.model)) if request.model is not None else ()),
            *(("--agent", _AGENT) if _agent(request) else ()),
            *_session(request),
            *options.arguments,
        ]
        check_words(self.name, argv)
        env = agent_environment(self.name, request)
        env |= {
            f"OPENCODE_DISABLE_{what}": "1"
            for what in ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
        }
        config = merge(options.config, _config(request))
        env["OPENCODE_CONFIG_CONTENT"] = compact(config)
        if request.access is not None:
            env |= ADAPTERS["opencode"].variables(request.access, env)
        check_words(self.name, [env["OPENCODE_CONFIG_CONTENT"]])
        return ProcessSpec(
            argv=argv,
            env=env,
            cwd=request.cwd,
            stdin=full_prompt(request, self.capabilities).encode(),
            folders=home_folders(request),
            cancel=((signal.SIGTERM, 3.0),),
            line_limit=MOST,
        )

    def parser(self, request: RunnerRequest) -> OpencodeParser:
        """Return a parser for one run."""
        return OpencodeParser(self.name, request)


def _model(name: str) -> str:
    return name if "/" in name else f"{_PROVIDER}/{name}"


def _session(request: RunnerRequest) -> Iterator[str]:
    if request.session.kind != "new":
        yield from ("--session", request.session.id or "")
    if request.session.kind == "fork":
        yield "--fork"


def _config(request: RunnerRequest) -> dict[str, object]:
    config: dict[str, object] = {"autoupdate": False, "share": "disabled", "snapshot": False}
    agent, permission = _agent(request), _permission(request.tools)
    if agent:
        config["agent"] = {_AGENT: {"mode": "primary", "description": "A step of a pipeline", **agent}}
    if permission:
        config["permission"] = permission
    if request.access is not None and request.model is not None:
        config["provider"] = _provider(request.access, _model(request.model))
    return config


def _agent(request: RunnerRequest) -> dict[str, object]:
    """Return what an agent of ours must say; empty where the CLI's own will do."""
    values = {
        "prompt": request.system,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
    }
    return {key: value for key, value in values.items() if value is not None}


def _provider(access: Access, model: str) -> dict[str, object]:
    """Declare the model, which the CLI's catalogue may not know."""
    provider, _, name = model.partition("/")
    if provider != _PROVIDER:
        return {provider: {"models": {name: {}}}}
    # A model that does not say that it samples is asked for nothing of the kind.
    limit = {"context": _CONTEXT, "output": _OUTPUT}
    declared = {name: {"name": name, "temperature": True, "tool_call": True, "limit": limit}}
    options = {"baseURL": access.v1, "apiKey": "{env:AEXL_TOKEN}"}
    own = {"npm": "@ai-sdk/openai-compatible", "name": "aexl", "options": options, "models": declared}
    return {_PROVIDER: own}


def _permission(tools: ToolPolicy) -> dict[str, object]:
    """Return its permission table; the last rule that fits a command wins, so denials stand last."""
    if tools.disabled:
        return {"*": "deny"}
    permission: dict[str, object] = dict(_MODES.get(tools.mode, {}))
    for word, patterns in (("allow", tools.allow), ("deny", tools.deny)):
        for pattern in patterns:
            tool, bracket, rest = pattern.partition("(")
            if not bracket:
                permission[tool] = word
                continue
            now = permission.get(tool, {})
            rules = dict(now) if isinstance(now, dict) else {"*": now}
            permission[tool] = {**rules, rest.removesuffix(")"): word}
    return permission
