"""A recording as a person reads it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from aexl.api.sse import Framer, TooLong
from aexl_cassettes.tape import Head, Tape


def when(at: float) -> str:
    """Return a moment in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def show_tape(id: str, tape: Tape) -> str:
    """Return everything a recording holds: the request, the answer, a stream event by event with its times."""
    request = tape.asked.request
    lines = [
        f"{id}, recorded {when(tape.asked.at)}",
        f"provider {request.provider}, surface {request.surface}, model {request.model}",
        "",
        f"> {request.line}",
        *(f"> {name}: {value}" for name, value in request.headers),
    ]
    if request.body is not None:
        lines += ["", pretty(request.body)]
    lines += [f"file {file.field}: {file.size} bytes, SHA-256 {file.sha256}" for file in request.files]
    lines.append("")
    if tape.head is not None:
        lines.append(f"< {tape.head.status} after {tape.head.after:.3f} s")
        lines += [f"< {name}: {value}" for name, value in tape.head.headers]
        lines += ["", *_body(tape, tape.head), ""]
    return "\n".join([*lines, *_end(tape)])


def pretty(value: object) -> str:
    """Return JSON with indentation."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _body(tape: Tape, head: Head) -> Iterator[str]:
    kind = next((value for name, value in head.headers if name == "content-type"), "")
    data = b"".join(piece.data for piece in tape.pieces)
    if kind.startswith("text/event-stream"):
        yield from _events(tape)
        return
    try:
        yield pretty(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = data.decode("utf-8", "replace")
        yield text if text.isprintable() or kind.startswith("text/") else f"{len(data)} bytes of {kind or 'something'}"


def _events(tape: Tape) -> Iterator[str]:
    """Yield each event of a stream behind the moment at which it was complete."""
    framer = Framer()
    try:
        for piece in tape.pieces:
            for frame in framer.feed(piece.data):
                yield f"{piece.after:9.3f} s  {frame.raw.decode('utf-8', 'replace').strip()}".replace(
                    "\n", "\n" + " " * 13
                )
    except TooLong as error:
        yield f"an event is too long to be shown: {error}"
    if framer.remainder:
        yield f"{'cut off':>11}  {framer.remainder.decode('utf-8', 'replace')}"


def _end(tape: Tape) -> Iterator[str]:
    end = tape.end
    if end.failure is not None:
        yield f"failed after {end.after:.3f} s with {end.failure.code}: {end.failure.reason}"
    else:
        yield f"{'ended' if end.finished else 'stopped'} after {end.after:.3f} s"
    if end.usage is not None:
        used = {name: value for name, value in msgspec.to_builtins(end.usage).items() if value}
        yield "usage: " + (", ".join(f"{name} {value}" for name, value in used.items()) or "nothing")
