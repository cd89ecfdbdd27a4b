"""What aider prints, which is text for people: a banner, the answer, what it cost, what was edited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from aexl.api import Usage, parse_usd
from aexl.api.runners import Retried, RunnerError, RunnerEvent, RunnerRequest, Spent, Started, Text, ToolResult, ToolUse
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import usage_of, usage_sum
from aexl_pipelines.runners.parsing import MOST_TEXT, ProtocolParser, no_conclusion

_BANNER: Final = re.compile(r"Aider v\S+")
_MODEL: Final = re.compile(r"(?:Main )?[Mm]odel: (\S+)")
_FAILURE: Final = re.compile(r"litellm\.(\w+)")
_AGAIN: Final = re.compile(r"Retrying in [\d.]+ seconds")
_EDITED: Final = re.compile(r"(?:Applied edit to|Did not apply edit to) (.+?)(?: \(--dry-run\))?")
_TOKENS: Final = re.compile(
    r"Tokens: (?P<counts>[^.]*(?:\.\d[^.]*)*?)\.(?: Cost: \$(?P<cost>\d{1,6}(?:\.\d{1,9})?) message.*)?$"
)
_COUNT: Final = re.compile(r"([\d.,]{1,12})([kKmM]?) (sent|received|cache write|cache hit)")
_MOST_FAILURE: Final = 20
"""Lines of a failure that are kept."""

_SIZES: Final = {"": 1, "k": 1000, "m": 1_000_000}

_BY_CLASS: Final = {
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "RateLimitError": 429,
    "InternalServerError": 500,
    "ServiceUnavailableError": 503,
    "APIConnectionError": 502,
    "Timeout": 504,
}


class AiderParser(ProtocolParser):
    """Reads the lines of one run; a round of the model ends with its line of tokens.

    Its exit code is 0 whatever happened, so a run succeeded if a round was counted
    and no error of a model call came after it.
    """

    speaks_json = False

    def __init__(self, runner: str, request: RunnerRequest, session: str) -> None:
        super().__init__(runner, request)
        self.session = session
        self._banner = True
        self._versioned = False
        self._counted = False
        self._round: list[str] = []
        self._kept = 0
        self._failure: list[str] = []
        self._edits = 0

    def read_text(self, line: bytes) -> Iterable[RunnerEvent]:
        """Yield what a line means; all of its lines come here."""
        text = line.decode(errors="replace")
        if self._banner:
            return self._read_banner(text)
        return self._read_body(text)

    def verdict(self, status: int, stderr: str) -> RunnerError | None:
        """Return why the run failed."""
        if self.error is None and self._failure:
            return self._failed()
        if self.error is not None or self._counted:
            return self.error
        said = "".join(self._round).strip()
        return classify(said) if said and status == 0 else no_conclusion(self.runner, status, stderr or said)

    def _read_banner(self, text: str) -> Iterator[RunnerEvent]:
        if found := _MODEL.match(text):
            self.model = found[1]
        if _BANNER.match(text):
            self._versioned = True
        elif _FAILURE.match(text):
            self._banner = False
            yield from self._read_body(text)
        elif self._versioned and not text.strip():
            self._banner = False
            yield Started(session=self.session, model=self.model)

    def _read_body(self, text: str) -> Iterator[RunnerEvent]:
        if tokens := _TOKENS.match(text):
            yield from self._count(tokens)
        elif _FAILURE.match(text):
            self._failure = [text.strip()]
        elif _AGAIN.match(text):
            yield from self._retry()
        elif self._failure:
            if text.strip() and len(self._failure) < _MOST_FAILURE:
                self._failure.append(text.strip())
        elif edited := _EDITED.fullmatch(text):
            yield from self._edit(edited[1], failed=text.startswith("Did not"))
        else:
            self._kept += len(text) + 1
            if self._kept <= MOST_TEXT:
                self._round.append(text + "\n")
            if text.strip() or len(self._round) > 1:
                yield Text(text + "\n")

    def _count(self, tokens: re.Match[str]) -> Iterator[RunnerEvent]:
        self.text = ""
        self.add_text("".join(self._round).strip())
        self._round, self._kept = [], 0
        self._counted = True
        self.turns = (self.turns or 0) + 1
        usage = _usage(tokens["counts"])
        cost = parse_usd(tokens["cost"]) if tokens["cost"] else None
        self.usage = usage_sum(self.usage, usage)
        self.cost = cost if self.cost is None else self.cost + (cost or 0)
        yield Spent(usage=usage, cost=cost)

    def _retry(self) -> Iterator[RunnerEvent]:
        """Tell of another attempt; one after a denial is the end, because for a minute it would be denied again."""
        found = self._failed()
        self._failure = []
        yield Retried(attempt=0, status=found.status, reason=found.message)
        if found.kind in {"budget", "policy"} and self.error is None:
            yield self.conclude(found)

    def _failed(self) -> RunnerError:
        said = " ".join(self._failure)
        found = _FAILURE.match(said)
        return classify(said, _BY_CLASS.get(found[1]) if found else None)

    def _edit(self, path: str, *, failed: bool) -> Iterator[RunnerEvent]:
        self._edits += 1
        identity = f"edit-{self._edits}"
        yield ToolUse(id=identity, name="edit", input={"path": path})
        yield ToolResult(id=identity, failed=failed)
        self._round = [line for line in self._round if line.strip() != path]


def _usage(counts: str) -> Usage:
    found = {what: _number(digits, size) for digits, size, what in _COUNT.findall(counts)}
    return usage_of(
        found.get("sent", 0),
        cached=found.get("cache hit", 0),
        written=found.get("cache write", 0),
        output=found.get("received", 0),
    )


def _number(digits: str, size: str) -> int:
    plain = digits.replace(",", "").rstrip(".")
    return int(Decimal(plain) * _SIZES[size.lower()]) if re.fullmatch(r"\d+(\.\d+)?", plain) else 0
