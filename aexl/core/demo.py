"""``aexl serve --demo``: something to try within a minute, offline."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aexl.api import Accounts, NewAgent
from aexl.api.money import NANOS
from aexl.core.config.editing import replace_file
from aexl.errors import Conflict, NotFound, Refused

if TYPE_CHECKING:
    from aexl.core.server import Serving

AGENT: Final = "demo"
BUDGET: Final = 5 * NANOS
TOKEN_FILE: Final = "demo.token"  # noqa: S105 - a file's name
MODEL: Final = "echo"

DEMO_FLAGS: Final[dict[str, Any]] = {
    "providers": {"echo": {"type": "echo"}},
    "models": {
        MODEL: {
            "provider": "echo",
            "provider_model": "echo",
            "price": {"input": "1", "output": "2"},
            "limits": {"context": 131072, "output": 4096},
        }
    },
}
"""What the demo adds to the configuration: a provider that answers with what it was told, and a price."""


async def announce_demo(serving: Serving) -> None:
    """Make the demo's agent on first start, and print how to use it."""
    accounts = serving.host.service(Accounts)
    token = await _token(serving, accounts) if accounts else "no-ledger-no-token"
    body = f'{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    sys.stdout.write(
        f"aexl {serving.host.version} serves {serving.url}, offline, with the echo provider.\n"
        f"Agent {AGENT!r} has a budget of 5 USD; its token lies in {serving.host.data_dir / TOKEN_FILE}.\n\n"
        f"Try it:\n\n"
        f"  curl -i {serving.url}/v1/chat/completions -H 'Authorization: Bearer {token}' "
        f"-H 'Content-Type: application/json' -d '{body}'\n\n"
        f"Point a program at it:\n\n"
        f"  export OPENAI_BASE_URL={serving.url}/v1 OPENAI_API_KEY={token}\n"
        f"  export ANTHROPIC_BASE_URL={serving.url} ANTHROPIC_AUTH_TOKEN={token}\n\n"
        f"See what it cost:\n\n"
        f"  {_command(serving)} ledger show\n  {_command(serving)} agent inspect {AGENT}\n\n"
    )
    sys.stdout.flush()


def _command(serving: Serving) -> str:
    """Return how the person would start this program again: the name alone may be another one's, or nobody's."""
    home = f"AEXL_HOME={serving.host.data_dir} " if os.environ.get("AEXL_HOME") else ""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return f"{home}{sys.executable} -m aexl"
    found = shutil.which("aexl")
    named = found is not None and Path(found).resolve() == started.resolve()
    return f"{home}{'aexl' if named else started}"


async def _token(serving: Serving, accounts: Accounts) -> str:
    """Return the demo's token: the one in the file while it is good, else a new one."""
    path = serving.host.data_dir / TOKEN_FILE
    try:
        await accounts.get(AGENT)
    except NotFound:
        try:
            await accounts.create(NewAgent(name=AGENT, budget=BUDGET))
        except Conflict:
            return "the-agent-was-deleted"
    if path.exists():
        token = path.read_text().strip()
        try:
            await accounts.authenticate(token)
        except Refused:
            path.unlink()
        else:
            return token
    token = await accounts.mint(AGENT, "execute", {}, None)
    replace_file(path, f"{token}\n".encode())
    return token
