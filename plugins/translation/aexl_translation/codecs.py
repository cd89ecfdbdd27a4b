"""The four dialects, each with its six ways of reading and writing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from aexl_translation import errors
from aexl_translation.answer import Answer, Event, Failure
from aexl_translation.asked import Asked
from aexl_translation.chat import answers as chat_answers
from aexl_translation.chat import reading as chat_reading
from aexl_translation.chat import stream_reading as chat_stream_reading
from aexl_translation.chat import stream_writing as chat_stream_writing
from aexl_translation.chat import writing as chat_writing
from aexl_translation.dialects import Dialect
from aexl_translation.fields import chat as chat_fields
from aexl_translation.fields import gemini as gemini_fields
from aexl_translation.fields import messages as messages_fields
from aexl_translation.fields import responses as responses_fields
from aexl_translation.fields.rules import Check, Tables
from aexl_translation.gemini import answers as gemini_answers
from aexl_translation.gemini import reading as gemini_reading
from aexl_translation.gemini import stream_reading as gemini_stream_reading
from aexl_translation.gemini import stream_writing as gemini_stream_writing
from aexl_translation.gemini import writing as gemini_writing
from aexl_translation.messages import answers as messages_answers
from aexl_translation.messages import reading as messages_reading
from aexl_translation.messages import stream_reading as messages_stream_reading
from aexl_translation.messages import stream_writing as messages_stream_writing
from aexl_translation.messages import writing as messages_writing
from aexl_translation.names import Names
from aexl_translation.pivot import Request
from aexl_translation.responses import answers as responses_answers
from aexl_translation.responses import reading as responses_reading
from aexl_translation.responses import stream_reading as responses_stream_reading
from aexl_translation.responses import stream_writing as responses_stream_writing
from aexl_translation.responses import writing as responses_writing
from aexl_translation.writing import Aim


class StreamReader(Protocol):
    """Reads the data of one stream's events."""

    def read(self, data: bytes) -> list[Event]:
        """Return what an event says; raises ``Broken`` if it is none of the dialect."""
        ...

    def close(self) -> list[Event]:
        """Return what it means that the stream has ended, without having been cut."""
        ...


class StreamWriter(Protocol):
    """Writes one stream."""

    def write(self, events: Sequence[Event]) -> bytes:
        """Return whole events of the dialect that say ``events``; perhaps nothing."""
        ...


class Codec(NamedTuple):
    """One dialect.

    Attributes:
        fields: What becomes of each field of a request.
        read: From a body to a request.
        write: From a request to a body, without its output limit.
        read_answer: From a whole answer's bytes.
        write_answer: To a whole answer's bytes.
        reader: Makes what reads a stream.
        writer: Makes what writes a stream.
        read_error: The error in an error's body, if it has one.
        write_error: The body of an error with a status.
        limit_key: The body's key of the output limit.
        custom: It has tools that take free text, at every server.
    """

    fields: Tables
    read: Callable[[Mapping[str, object], Check], Request]
    write: Callable[[Request, Aim, Names], dict[str, object]]
    read_answer: Callable[[bytes], Answer]
    write_answer: Callable[[Answer, Asked], bytes]
    reader: Callable[[], StreamReader]
    writer: Callable[[Asked], StreamWriter]
    read_error: Callable[[bytes], Failure | None]
    write_error: Callable[[Failure, int], dict[str, object]]
    limit_key: str
    custom: bool


def _openai_error(failure: Failure, status: int) -> dict[str, object]:
    return chat_answers.write_error(failure, errors.openai_kind(status, failure))


def _anthropic_error(failure: Failure, status: int) -> dict[str, object]:
    return messages_answers.write_error(failure, errors.anthropic_kind(status, failure))


def _gemini_error(failure: Failure, status: int) -> dict[str, object]:
    return gemini_answers.write_error(failure, status, errors.gemini_kind(status))


CODECS: Final[Mapping[Dialect, Codec]] = {
    "chat": Codec(
        chat_fields.REQUEST,
        chat_reading.read,
        chat_writing.write,
        chat_answers.read,
        chat_answers.write,
        chat_stream_reading.Reader,
        chat_stream_writing.Writer,
        chat_answers.read_error,
        _openai_error,
        "max_completion_tokens",
        False,
    ),
    "responses": Codec(
        responses_fields.REQUEST,
        responses_reading.read,
        responses_writing.write,
        responses_answers.read,
        responses_answers.write,
        responses_stream_reading.Reader,
        responses_stream_writing.Writer,
        chat_answers.read_error,
        _openai_error,
        "max_output_tokens",
        True,
    ),
    "messages": Codec(
        messages_fields.REQUEST,
        messages_reading.read,
        messages_writing.write,
        messages_answers.read,
        messages_answers.write,
        messages_stream_reading.Reader,
        messages_stream_writing.Writer,
        messages_answers.read_error,
        _anthropic_error,
        "max_tokens",
        False,
    ),
    "gemini": Codec(
        gemini_fields.REQUEST,
        gemini_reading.read,
        gemini_writing.write,
        gemini_answers.read,
        gemini_answers.write,
        gemini_stream_reading.Reader,
        gemini_stream_writing.Writer,
        gemini_answers.read_error,
        _gemini_error,
        "generationConfig.maxOutputTokens",
        False,
    ),
}
