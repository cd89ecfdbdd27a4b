"""What a person has who runs agent CLIs: the program, the CLIs, homes for them, and a folder to work in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from agent_model import USAGE, AgentModel
from program import AEXL, CONFIG, Program

INSTALLED: Final = Path(__file__).parents[2] / "build" / "agents"

FOLDERS: Final = (
    INSTALLED / "node_modules" / ".bin",
    INSTALLED / "gemini" / "node_modules" / ".bin",
    INSTALLED / "opencode" / "node_modules" / ".bin",
    INSTALLED / "llm" / "bin",
    INSTALLED / "aider" / "bin",
)

INPUT, CACHED, OUTPUT = Decimal("0.1"), Decimal("0.05"), Decimal(100)
"""USD per million tokens of every model here: an answer has a limit, so that its length decides what a call holds."""

PRICED: Final = """
[models."{name}"]
provider = "{provider}"
provider_model = "{name}"
price = {{ input = "{input}", cached_input = "{cached}", output = "{output}" }}
limits = {{ context = 200000, output = {limit} }}
"""

MODELS: Final = {
    "claude-opus-4-8": "anthropic",
    "gpt-5.5": "openai",
    "gpt-6-sol": "openai",
    "gpt-4o-mini": "openai",
}

KEYS: Final = {
    "OPENAI_API_KEY": "sk-machine-openai",
    "ANTHROPIC_API_KEY": "sk-machine-anthropic",
    "CODEX_API_KEY": "sk-machine-codex",
    "GROQ_API_KEY": "gsk-machine-groq",
}
"""What the machine's owner has in the environment, beside the key that the configuration names."""


def sample(parameters: Iterable[Any], *kept: str) -> list[Any]:
    """Leave some CLIs of a promise in `make test`, where others keep what these do not; `make test-long` has them all."""
    return [
        each if each.values[0] in kept else pytest.param(*each.values, marks=[*each.marks, pytest.mark.long])
        for each in parameters
    ]


def needs(cli: str) -> pytest.MarkDecorator:
    """Skip where a CLI is not installed."""
    found = shutil.which(cli, path=os.pathsep.join(map(str, FOLDERS)))
    return pytest.mark.skipif(found is None, reason=f"{cli} is not in build/agents: run tests/agents/install")


class Desk(Program):
    """The program, a folder to work in, and agent CLIs that find a home of their own.

    Attributes:
        work: Where programs run.
        model: The model behind the server.
    """

    model: AgentModel

    def __init__(self, folder: Path, model: AgentModel) -> None:
        home = folder / "aexl"
        home.mkdir(mode=0o700)
        super().__init__(home, model)
        self.model = model
        self.work = folder / "work"
        own = {
            "HOME": folder / "user",
            "CLAUDE_CONFIG_DIR": folder / "claude",
            "CODEX_HOME": folder / "codex",
            "LLM_USER_PATH": folder / "llm",
            "TMPDIR": folder / "tmp",  # Codex's home must not be inside
        }
        for place in (self.work, *own.values()):
            place.mkdir()
        self.environ |= KEYS | {name: str(place) for name, place in own.items()}
        # Claude Code refuses to skip its questions as root; a sandbox is where that is all right.
        self.environ |= {"IS_SANDBOX": "1", "CLAUDE_CODE_MAX_RETRIES": "2", "NO_COLOR": "1"}
        self.environ["PATH"] = os.pathsep.join([*map(str, FOLDERS), self.environ["PATH"]])

        self.configure()

    def configure(self, extra: str = "", *, output: int = 1000) -> None:
        """Write the configuration: the models below, and no other."""
        text = CONFIG.format(upstream=self.model.url) + "[catalog]\nauto = false\n"
        for name, provider in MODELS.items():
            text += PRICED.format(name=name, provider=provider, input=INPUT, cached=CACHED, output=OUTPUT, limit=output)
        (self.home / "aexl.toml").write_text(text + extra)

    def govern(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command as the agent ``alice``, to its end."""
        return self.run("run", "--agent", "alice", *options, "--", *command, check=False, cwd=self.work)

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command as the agent ``alice``, beside the block; it is killed at the block's end."""
        with subprocess.Popen(
            [AEXL, "run", "--agent", "alice", "--", *command],
            env=self.environ,
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.send_signal(signal.SIGTERM)

    def executions(self) -> list[dict[str, Any]]:
        """Return what the ledger has, the oldest first, once none of it is in flight."""
        wait_until(lambda: Decimal(self.inspect()["reserved"]) == 0)
        found: list[dict[str, Any]] = self.json("ledger", "show")
        return found[::-1]

    def states(self) -> list[str]:
        return [str(execution["state"]) for execution in self.executions()]

    def spent(self) -> Decimal:
        return Decimal(self.inspect()["spent"])


def wait_until(true: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for something that no event announces."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def answer_cost() -> Decimal:
    """Return what one answer with ``USAGE`` costs, in USD: by the prices, and not by the program."""
    plain = USAGE["input"] - USAGE["cached"]
    return (plain * INPUT + USAGE["cached"] * CACHED + USAGE["output"] * OUTPUT) / 1_000_000


def running_with(text: str) -> list[str]:
    """Return the command lines of all processes that have a word in them."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in words:
                found.append(words)
    return found
