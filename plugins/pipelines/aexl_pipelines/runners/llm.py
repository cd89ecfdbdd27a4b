"""llm, one answer at a time: text in, one JSON record out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aexl.api import ProcessSpec
from aexl.api.governed import Access
from aexl.api.runners import Ability, RunnerRequest
from aexl.errors import Invalid
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.environment import agent_environment, home_folders
from aexl_pipelines.runners.launching import ProgramOptions, check_words, compact, full_prompt, read_options
from aexl_pipelines.runners.lines import MOST
from aexl_pipelines.runners.llm_parser import LlmParser

_MODEL: Final = "aexl"
"""The name by which it knows the run's model; another one could be a name that it has a provider of its own for."""


class LlmRunner:
    """Runs ``llm``."""

    name = "llm"
    capabilities: frozenset[str] = frozenset(
        {
            Ability.MODEL,
            Ability.RESUME,
            Ability.SYSTEM_REPLACE,
            Ability.SYSTEM_APPEND,
            Ability.TOOLS_ALLOW,
            Ability.TOOLS_OFF,
            Ability.MODE_READ,
            Ability.TEMPERATURE,
            Ability.TOP_P,
            Ability.MAX_TOKENS,
            Ability.SCHEMA,
            Ability.USAGE,
        }
    )

    def launch(self, request: RunnerRequest) -> ProcessSpec:
        """Return how to start it."""
        check_request(self, request)
        options = read_options(self.name, request.options, ProgramOptions)
        governed = request.access is not None
        if governed and request.model is None:
            raise Invalid(f"runner {self.name} has no model of its own behind the server: name the model")
        argv = [
            options.program or "llm",
            "--json",
            *(("-m", _MODEL if governed else request.model) if request.model is not None else ()),
            *_system(request),
            *_sampling(request),
            *(("--cid", request.session.id or "") if request.session.kind == "resume" else ()),
            *(("--schema", compact(request.schema)) if request.schema is not None else ()),
            *(word for tool in request.tools.allow for word in ("-T", tool)),
            *options.arguments,
        ]
        check_words(self.name, argv)
        env = agent_environment(self.name, request)
        place = request.home / "llm"
        own = request.login and not governed
        if not own:
            env["LLM_USER_PATH"] = str(place)
        return ProcessSpec(
            argv=argv,
            env=env,
            cwd=request.cwd,
            stdin=full_prompt(request, self.capabilities).encode(),
            folders=home_folders(request, "llm"),
            files=_files(place, request.access, request.model or ""),
            cancel=((signal.SIGTERM, 3.0),),
            line_limit=MOST,
        )

    def parser(self, request: RunnerRequest) -> LlmParser:
        """Return a parser for one run."""
        return LlmParser(self.name, request)


def _files(place: Path, access: Access | None, model: str) -> dict[Path, str]:
    """Declare the model; its configuration is YAML, of which JSON is a part. The key comes by the environment."""
    if access is None:
        return {}
    declared = {
        "model_id": _MODEL,
        "model_name": model,
        "api_base": access.v1,
        "api_key_name": _MODEL,
        "supports_schema": True,
        "supports_tools": True,
    }
    return {place / "extra-openai-models.yaml": compact([declared])}


def _system(request: RunnerRequest) -> Iterator[str]:
    parts = [part for part in (request.system, *request.append_system) if part]
    if parts:
        yield from ("-s", "\n\n".join(parts))


def _sampling(request: RunnerRequest) -> Iterator[str]:
    sampling = request.sampling
    values = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens}
    for key, value in values.items():
        if value is not None:
            yield from ("-o", key, str(value))
