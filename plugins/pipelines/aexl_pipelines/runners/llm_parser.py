"""What ``llm --json`` prints: one JSON array, over many lines, when the answer is complete.

Versions that do not know the option for prompts, or models that stream all the same, print the answer as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.runners import RunnerError, RunnerEvent, Started, Text, Thinking, Unknown
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import usage_of
from aexl_pipelines.runners.lines import MOST, shown
from aexl_pipelines.runners.parsing import ProtocolParser, last_lines, spent
from aexl_pipelines.runners.reading import count_of, name_of, table_of, tables_of, text_of

_STATUS: Final = re.compile(r"Error code: (\d{3})")


class LlmParser(ProtocolParser):
    """Holds lines from the array's beginning to its end, and then reads them at once."""

    speaks_json = False
    _held = b""

    def read_text(self, line: bytes) -> Iterable[RunnerEvent]:
        """Yield what a line means, which is nothing before the array's last one."""
        begins = line.strip() in {b"[", b"[]"} or line.startswith(b"[{")
        if not self._held and not begins:
            return self._plain(line)
        self._held += line + b"\n"
        if len(self._held) > MOST:
            held, self._held = self._held, b""
            return (Unknown(line=shown(held)),)
        if not line.rstrip().endswith(b"]"):
            return ()
        try:
            records = msgspec.json.decode(self._held)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ()  # an array inside ends here as well
        self._held = b""
        return self._answer(records)

    def verdict(self, status: int, stderr: str) -> RunnerError | None:
        """Return why the run failed."""
        if not self.concluded and status > 0 and stderr.strip():
            found = _STATUS.search(stderr)
            return classify(last_lines(stderr), int(found[1]) if found else None)
        if self.text and not self._held and status == 0:
            self.text = self.text.rstrip("\n")
            return None
        return super().verdict(status, stderr)

    def _plain(self, line: bytes) -> Iterator[RunnerEvent]:
        text = line.decode(errors="replace") + "\n"
        if text.strip() or self.text:
            self.add_text(text)
            yield Text(text)

    def _answer(self, records: object) -> Iterator[RunnerEvent]:
        for record in tables_of(records):
            yield Started(session=name_of(record, "conversation_id"), model=_model(record))
            if thought := text_of(record, "reasoning"):
                yield Thinking(thought)
            self.text = ""
            self.add_text(text_of(record, "response"))
            yield Text(self.text, whole=True)
            yield from spent(self, _usage(record), None)
            yield self.conclude()


def _model(record: Mapping[str, object]) -> str | None:
    """Return the model that answered, by the name that its provider has for it."""
    return name_of(table_of(record, "response_json"), "model") or name_of(record, "model")


def _usage(record: Mapping[str, object]) -> Usage:
    try:
        details = msgspec.json.decode(text_of(record, "token_details") or "{}")
    except msgspec.DecodeError:
        details = {}
    given = details if isinstance(details, dict) else {}
    return usage_of(
        count_of(record, "input_tokens"),
        cached=count_of(table_of(given, "prompt_tokens_details"), "cached_tokens"),
        output=count_of(record, "output_tokens"),
        thought=count_of(table_of(given, "completion_tokens_details"), "reasoning_tokens"),
    )
