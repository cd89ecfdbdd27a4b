"""Stored answers as bytes: framed, then compressed. Pure."""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from aexl.api.records import Booked, Replay
from aexl.errors import Unavailable


class _Stored(msgspec.Struct, array_like=True):
    status: int
    stream: bool
    headers: list[tuple[bytes, bytes]]
    chunks: list[bytes]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Stored)


def size(answer: Replay) -> int:
    """Return how many bytes of body an answer has."""
    return sum(map(len, answer.chunks))


def pack(answer: Replay) -> bytes:
    """Return an answer as it is stored; some 25 ms for a megabyte."""
    headers = [(bytes(name), bytes(value)) for name, value in answer.headers]
    return zlib.compress(_ENCODER.encode(_Stored(answer.status, answer.stream, headers, list(answer.chunks))), 1)


def unpack(data: bytes, execution: str, booked: Booked | None, largest: int) -> Replay:
    """Return a stored answer.

    Args:
        largest: Bytes that it may have; more is taken for damage.

    Raises:
        Unavailable: If the stored bytes are damaged.
    """
    decompressor = zlib.decompressobj()
    try:
        raw = decompressor.decompress(data, largest)
        if not decompressor.eof:
            raise Unavailable(f"the stored answer of {execution} is damaged: it does not end")
        stored = _DECODER.decode(raw)
    except (zlib.error, msgspec.DecodeError) as error:
        raise Unavailable(f"the stored answer of {execution} is damaged: {error}") from error
    return Replay(
        execution=execution,
        status=stored.status,
        headers=tuple(stored.headers),
        chunks=tuple(stored.chunks),
        stream=stored.stream,
        booked=booked,
    )
