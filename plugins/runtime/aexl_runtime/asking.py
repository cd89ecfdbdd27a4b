"""Asking a model over HTTP, for a run that no host serves: through the server that the environment names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aexl_runtime.protocol.asked import told_error

if TYPE_CHECKING:
    from email.message import Message

MOST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of an answer that are read."""

_PATH: Final = "/v1/chat/completions"


def read_answer(status: int, headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
    """Return what a worker is told of an answer.

    Args:
        headers: By name in lower case.
    """
    execution = headers.get("x-aexl-execution-id")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return told_error(f"the model's answer (HTTP {status}) is not JSON", 502, "bad_answer", execution)
    if status < 400 and isinstance(body, dict):
        return {"data": body, "execution": execution, "cost_usd": headers.get("x-aexl-cost-usd")}
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    message = str(error.get("message") or f"the model answered with HTTP {status}")
    return told_error(message, status, str(error.get("code") or error.get("type") or "upstream_error"), execution)


class HttpAsking:
    """Asks through the server at ``url``, with ``token``."""

    def __init__(self, url: str | None, token: str | None) -> None:
        self._url = url
        self._token = token

    def __call__(self, body: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """Ask, and wait at most ``seconds``."""
        if not self._url or not self._token:
            return told_error(
                "no server governs this run, so no model can be asked: start one with 'aexl serve', and run this "
                "under 'aexl run --agent NAME --' or through 'aexl runtime invoke --agent NAME'",
                503,
                "no_server",
            )
        import urllib.error
        import urllib.request

        request = urllib.request.Request(  # noqa: S310 - the address is the operator's
            self._url.rstrip("/") + _PATH,
            data=json.dumps({**body, "stream": False}).encode(),
            headers={"authorization": f"Bearer {self._token}", "content-type": "application/json"},
            method="POST",
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=max(0.1, seconds)) as response:
                return read_answer(response.status, _lower(response.headers), response.read(MOST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                return read_answer(error.code, _lower(error.headers), error.read(MOST_ANSWER))
        except OSError as error:
            return told_error(f"{self._url} could not be reached: {error}", 503, "no_server")


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
