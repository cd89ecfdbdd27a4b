"""What a governed program finds in its environment, and what it no longer finds there.

Three tables decide: variables that are stripped, variables that are set for
every program, and adapters for programs that need more. All of this is about
honest programs. It takes the machine's keys out of the environment, not out of
the user's files: a program can still read what its user can read, ``AEXL_HOME``
included. Where that matters, run it as another user or in a sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit

from aexl.api.tables import merge
from aexl.errors import Invalid

STRIPPED_PREFIXES: Final = (
    "ANTHROPIC_",
    "AZURE_AI_",
    "AZURE_INFERENCE_",
    "AZURE_OPENAI_",
    "CEREBRAS_",
    "COHERE_",
    "DASHSCOPE_",
    "DEEPSEEK_",
    "FIREWORKS_",
    "GEMINI_",
    "GOOGLE_",
    "GROQ_",
    "LITELLM_",
    "MINIMAX_",
    "MISTRAL_",
    "MOONSHOT_",
    "OPENAI_",
    "OPENROUTER_",
    "PERPLEXITY_",
    "REPLICATE_",
    "SAMBANOVA_",
    "TOGETHER_",
    "VERTEX_",
    "XAI_",
    "ZAI_",
)
"""Variables of providers, all of them: a base URL or an organization leads around the proxy as a key does."""

STRIPPED_NAMES: Final = frozenset(
    {
        "AWS_BEARER_TOKEN_BEDROCK",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_FOUNDRY",
        "CLAUDE_CODE_USE_VERTEX",
        "CODEX_API_KEY",
        "CO_API_KEY",
        "GITHUB_MODELS_TOKEN",
        "HF_TOKEN",
        "HUGGINGFACE_API_KEY",
        "HUGGING_FACE_HUB_TOKEN",
        "NVIDIA_API_KEY",
        "NVIDIA_NIM_API_KEY",
        "PPLX_API_KEY",
    }
)

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a run reaches the server.

    Attributes:
        url: The server's root, without ``/v1``.
        token: The run's own token.
        run: The run's id.
    """

    url: str
    token: str
    run: str

    @property
    def v1(self) -> str:
        """The base URL that OpenAI's clients want."""
        return f"{self.url}/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What one program needs beyond the common variables.

    Attributes:
        arguments: Words to put behind the program's name.
        variables: Variables to set; gets the environment so far.
    """

    arguments: Callable[[Access], Sequence[str]] = lambda _: ()
    variables: Callable[[Access, Mapping[str, str]], Mapping[str, str]] = lambda _, __: {}


def _codex_arguments(access: Access) -> Sequence[str]:
    settings: dict[str, str | bool] = {
        "model_provider": "aexl",
        "model_providers.aexl.name": "aexl",
        "model_providers.aexl.base_url": access.v1,
        "model_providers.aexl.env_key": "AEXL_TOKEN",
        "model_providers.aexl.wire_api": "responses",
        # A search runs at the provider and may read as much as the model's context holds: every call
        # that offers it holds so much money, and one whose model has no price for searches is refused.
        "web_search": "disabled",
        # What Codex speaks to its maker past any base URL, beside the calls.
        "analytics.enabled": False,
        "check_for_update_on_startup": False,
    }
    # JSON's strings are TOML's basic strings, as far as names and URLs go. What the caller
    # gives with -c stands behind these words and wins.
    return [word for key, value in settings.items() for word in ("-c", f"{key}={json.dumps(value)}")]


def _opencode_variables(access: Access, env: Mapping[str, str]) -> Mapping[str, str]:
    options = {"options": {"baseURL": access.v1, "apiKey": "{env:AEXL_TOKEN}"}}
    ours = {"provider": {"openai": options, "anthropic": options}}
    given = env.get("OPENCODE_CONFIG_CONTENT", "{}")
    try:
        theirs = json.loads(given)
    except ValueError as error:
        raise Invalid(f"OPENCODE_CONFIG_CONTENT is not JSON: {error}") from error
    return {"OPENCODE_CONFIG_CONTENT": json.dumps(merge(ours, theirs if isinstance(theirs, dict) else {}))}


ADAPTERS: Final[Mapping[str, Adapter]] = {
    # LiteLLM, which aider is built on, knows no ANTHROPIC_AUTH_TOKEN.
    "aider": Adapter(variables=lambda access, _: {"ANTHROPIC_API_KEY": access.token}),
    # Codex reads no base URL from the environment.
    "codex": Adapter(arguments=_codex_arguments),
    # Gemini CLI has no OpenAI or Anthropic side; without a base URL of its own it would reach its maker.
    "gemini": Adapter(
        variables=lambda access, _: {"GOOGLE_GEMINI_BASE_URL": access.url, "GEMINI_API_KEY": access.token}
    ),
    # opencode wants /v1 at the end of both base URLs, and prefers the keys that it has stored.
    "opencode": Adapter(variables=_opencode_variables),
}
"""By the base name of the program. What is not here needs no more than the common variables."""


def common_variables(access: Access) -> dict[str, str]:
    """Return what is set for every program."""
    return {
        "OPENAI_BASE_URL": access.v1,
        "OPENAI_API_BASE": access.v1,
        "OPENAI_API_KEY": access.token,
        "ANTHROPIC_BASE_URL": access.url,
        "ANTHROPIC_API_BASE": access.url,
        "ANTHROPIC_AUTH_TOKEN": access.token,
        "AEXL_BASE_URL": access.url,
        "AEXL_TOKEN": access.token,
        "AEXL_RUN": access.run,
        # Claude Code speaks to its maker past any base URL otherwise.
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def is_stripped(name: str, private: Collection[str]) -> bool:
    """Return whether a variable is a provider's; ``private`` are the names that the configuration has for keys."""
    return name.startswith(STRIPPED_PREFIXES) or name in STRIPPED_NAMES or name in private


def govern(
    argv: Sequence[str],
    inherited: Mapping[str, str],
    access: Access,
    *,
    private: Collection[str] = (),
    keep: Collection[str] = (),
    adapt: bool = True,
) -> tuple[list[str], dict[str, str]]:
    """Return the words and the environment with which a program runs under governance.

    Args:
        private: Further variables to strip.
        keep: Variables that stay although they would be stripped.
        adapt: Use the program's adapter, if it has one.
    """
    env = {name: value for name, value in inherited.items() if name in keep or not is_stripped(name, private)}
    env |= {name: value for name, value in common_variables(access).items() if name not in keep}
    env |= without_proxy(env, access)
    words = list(argv)
    adapter = ADAPTERS.get(PurePath(words[0]).name) if adapt else None
    if adapter is not None:
        env |= adapter.variables(access, env)
        words[1:1] = adapter.arguments(access)
    return words, env


def without_proxy(env: Mapping[str, str], access: Access) -> dict[str, str]:
    """Return what keeps calls to the server away from an outer HTTP proxy, which could not reach it."""
    if not any(env.get(name) for name in _PROXIES):
        return {}
    host = urlsplit(access.url).hostname or ""
    named = env.get("no_proxy") or env.get("NO_PROXY") or ""
    value = f"{named},{host}" if named else host
    return {"no_proxy": value, "NO_PROXY": value}
