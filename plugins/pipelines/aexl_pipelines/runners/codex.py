"""Codex, by ``codex exec --json``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Final

import msgspec

from aexl.api import ProcessSpec
from aexl.api.governed import ADAPTERS
from aexl.api.runners import Ability, RunnerRequest
from aexl.errors import Invalid
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.codex_parser import CodexParser
from aexl_pipelines.runners.environment import agent_environment, home_folders
from aexl_pipelines.runners.launching import ProgramOptions, check_words, compact, effort, full_prompt, read_options
from aexl_pipelines.runners.lines import MOST

_SANDBOXES: Final = {"read": "read-only", "edit": "workspace-write", "all": "danger-full-access"}

_RETRIES: Final = 1
"""Four to thirty are its own choice, and for ever where nobody listens."""

_SECRETS: Final = ("*KEY*", "*TOKEN*", "*SECRET*", "*PASSWORD*")
"""What its tools do not find in their environment; its model calls need the token, its tools do not."""


class CodexOptions(ProgramOptions, frozen=True, kw_only=True):
    """What only this CLI understands.

    Attributes:
        network: Programs that it runs under mode ``edit`` reach the network.
        config: Keys of its configuration, as ``-c`` takes them.
        add_dirs: Folders that it may write to beside the working one.
    """

    network: bool = False
    config: dict[str, object] = msgspec.field(default_factory=dict)
    add_dirs: tuple[str, ...] = ()


class CodexRunner:
    """Runs ``codex exec``."""

    name = "codex"
    capabilities: frozenset[str] = frozenset(
        {
            Ability.MODEL,
            Ability.RESUME,
            Ability.FORK,
            Ability.SYSTEM_APPEND,
            Ability.MODE_READ,
            Ability.MODE_EDIT,
            Ability.MODE_ALL,
            Ability.THINKING,
            Ability.SCHEMA,
            Ability.USAGE,
            Ability.TOOL_EVENTS,
        }
    )

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it."""
        check_request(self, request)
        options = read_options(self.name, request.options, CodexOptions)
        if request.session.kind != "new" and request.model is None:
            raise Invalid(
                f"runner {self.name} goes on with another model than the session's where none is named: name the model"
            )
        governed = () if request.access is None else (*ADAPTERS["codex"].arguments(request.access), *_patience())
        schema = request.home / "schema.json"
        argv = [
            options.program or "codex",
            *governed,
            *("--disable", "plugins"),
            *_settings(request, options),
            *_command(request),
            *(("-m", request.model) if request.model is not None else ()),
            *(("--output-schema", str(schema)) if request.schema is not None else ()),
            *options.arguments,
            *((request.session.id or "",) if request.session.kind != "new" else ()),
            "-",
        ]
        check_words(self.name, argv)
        env = agent_environment(self.name, request)
        if not (request.login and request.access is None):
            env["CODEX_HOME"] = str(request.home / "codex")
        return ProcessSpec(
            argv=argv,
            env=env,
            cwd=request.cwd,
            stdin=full_prompt(request, self.capabilities).encode(),
            folders=home_folders(request, "codex"),
            files={schema: compact(request.schema)} if request.schema is not None else {},
            cancel=((signal.SIGINT, 3.0),),
            line_limit=MOST,
        )

    def parser(self, request: RunnerRequest) -> CodexParser:
        """Return a parser for one run."""
        return CodexParser(self.name, request)


def _command(request: RunnerRequest) -> Iterator[str]:
    yield "exec"
    if request.session.kind != "new":
        yield request.session.kind
    yield from ("--json", "--skip-git-repo-check")


def _patience() -> Iterator[str]:
    yield from ("-c", f"model_providers.aexl.request_max_retries={_RETRIES}")
    yield from ("-c", f"model_providers.aexl.stream_max_retries={_RETRIES}")
    yield from ("--disable", "unbounded_connection_retries")


def _settings(request: RunnerRequest, options: CodexOptions) -> Iterator[str]:
    """Yield settings; going on with a session has no flag for the sandbox, so all of them are settings."""
    settings: dict[str, object] = {
        "check_for_update_on_startup": False,
        "analytics.enabled": False,
        "shell_environment_policy.exclude": list(_SECRETS),
    }
    if request.tools.mode != "default":
        settings["sandbox_mode"] = _SANDBOXES[request.tools.mode]
    if options.network:
        settings["sandbox_workspace_write.network_access"] = True
    if options.add_dirs:
        settings["sandbox_workspace_write.writable_roots"] = list(options.add_dirs)
    if request.append_system:
        settings["developer_instructions"] = "\n\n".join(request.append_system)
    how_much = effort(request.sampling.thinking)
    if how_much is not None:
        settings["model_reasoning_effort"] = "high" if how_much == "max" else how_much
    for key, value in {**settings, **options.config}.items():
        yield from ("-c", f"{key}={compact(value)}")
