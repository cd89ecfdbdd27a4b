"""What the runner ``http`` reads: a stream of chat completions, or an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aexl.api import Usage
from aexl.api.runners import RunnerError, RunnerEvent, Started, Text, Thinking
from aexl.api.sse import Framer, TooLong
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.counting import usage_of
from aexl_pipelines.runners.lines import MOST, read_object
from aexl_pipelines.runners.parsing import MOST_TEXT
from aexl_pipelines.runners.reading import count_of, name_of, table_of, tables_of, text_of

_CUT = {
    "length": "the answer reached its output limit",
    "content_filter": "the provider withheld the answer",
}


class ChatAnswer:
    """Grows with the stream.

    Attributes:
        text: The answer so far.
        model: Who answers.
        usage: Known at the end.
        error: Why it is none, if it is none.
    """

    def __init__(self, session: str) -> None:
        self.text = ""
        self.model: str | None = None
        self.usage: Usage | None = None
        self.error: RunnerError | None = None
        self._session = session
        self._reason = ""
        self._framer = Framer(MOST)

    def feed(self, data: bytes) -> list[RunnerEvent]:
        """Return the events of the next bytes of a stream."""
        if self.error is not None:
            return []
        try:
            frames = self._framer.feed(data)
        except TooLong as error:
            self.error = RunnerError(kind="protocol", message=str(error))
            return []
        return [event for frame in frames for event in self._read(frame.data or b"")]

    def fail(self, status: int, body: bytes) -> None:
        """Read an answer with an error status."""
        error = _error_of(read_object(body) or {})
        self.error = classify(error or body[:1000].decode(errors="replace"), status)

    def finish(self) -> None:
        """Say that the stream has ended."""
        if self.error is None and self._reason in _CUT:
            self.error = RunnerError(kind="other", message=_CUT[self._reason])
        elif self.error is None and not self._reason:
            self.error = RunnerError(kind="provider", message="the answer was cut before its end")

    def _read(self, data: bytes) -> Iterator[RunnerEvent]:
        chunk = read_object(data)
        if chunk is None:
            return
        if "error" in chunk:
            self.error = classify(_error_of(chunk) or "the stream ended with an error")
            return
        if self.model is None and (model := name_of(chunk, "model")) is not None:
            self.model = model
            yield Started(session=self._session, model=model)
        if isinstance(chunk.get("usage"), dict):
            self.usage = _usage(table_of(chunk, "usage"))
        for choice in tables_of(chunk.get("choices")):
            delta = table_of(choice, "delta")
            if thought := text_of(delta, "reasoning_content") or text_of(delta, "reasoning"):
                yield Thinking(thought)
            if text := text_of(delta, "content"):
                self.text += text[: MOST_TEXT - len(self.text)]
                yield Text(text)
            self._reason = text_of(choice, "finish_reason") or self._reason


def _error_of(body: Mapping[str, object]) -> str:
    return text_of(table_of(body, "error"), "message") or text_of(body, "error") or text_of(body, "message")


def _usage(usage: Mapping[str, object]) -> Usage:
    return usage_of(
        count_of(usage, "prompt_tokens"),
        cached=count_of(table_of(usage, "prompt_tokens_details"), "cached_tokens"),
        output=count_of(usage, "completion_tokens"),
        thought=count_of(table_of(usage, "completion_tokens_details"), "reasoning_tokens"),
    )
