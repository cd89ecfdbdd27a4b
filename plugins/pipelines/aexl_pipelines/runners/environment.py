"""The environment of an agent, built from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aexl.api.governed import common_variables, is_stripped, without_proxy
from aexl.api.runners import RunnerRequest
from aexl.errors import Invalid

TAKEN: Final = frozenset(
    {
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "USER",
        "LOGNAME",
        "SHELL",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    }
)
"""What a program may need of the machine's environment, beside ``LC_*``; nothing else is taken."""


WITHIN: Final = "AEXL_WITHIN_PIPELINE"
"""Set for every agent of a pipeline: hooks of ours in the project's settings leave its session alone."""


def agent_environment(runner: str, request: RunnerRequest) -> dict[str, str]:
    """Return what every agent gets: the machine's ``PATH`` and the like, a home, the way to its models, the step's own.

    Raises:
        Invalid: If the step sets a provider's variable although its calls are governed.
    """
    taken = {name: value for name, value in request.environ.items() if name in TAKEN or name.startswith("LC_")}
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        **taken,
        "TERM": "dumb",
        "NO_COLOR": "1",
        WITHIN: "1",
    }
    env |= _homes(request)
    if request.access is not None:
        env |= common_variables(request.access)
    refused = [name for name in request.env if request.access is not None and is_stripped(name, ())]
    if refused:
        raise Invalid(
            f"runner {runner} cannot take {', '.join(sorted(refused))} from the step's env: "
            "its calls go through the server with a token of the run; leave the variable out"
        )
    env |= request.env
    return env if request.access is None else env | without_proxy(env, request.access)


def home_folders(request: RunnerRequest, *more: str) -> list[Path]:
    """Return the folders that must be there before an agent starts."""
    return [request.home, temporary(request), *(request.home / name for name in more)]


def temporary(request: RunnerRequest) -> Path:
    """Return the run's folder for temporary files: its own, so that no other home lies inside."""
    return request.home / "tmp"


def _homes(request: RunnerRequest) -> Mapping[str, str]:
    home = request.home
    common = {"TMPDIR": str(temporary(request))}
    if request.login and request.access is None:
        kept = {name: value for name, value in request.environ.items() if name == "HOME" or name.startswith("XDG_")}
        return {**kept, **common}
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        **common,
    }
