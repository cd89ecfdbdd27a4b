"""One zstd frame for one piece of an object, read with every bound checked before memory is spent. Pure."""

from __future__ import annotations

from typing import Final

from backports.zstd import (
    CompressionParameter,
    DecompressionParameter,
    ZstdCompressor,
    ZstdDecompressor,
    ZstdError,
    get_frame_info,
)

from aexl.errors import Invalid

LARGEST: Final = 4 * 1024 * 1024
"""Raw bytes of one frame. Larger objects are stored in parts."""

LARGEST_STORED: Final = LARGEST + LARGEST // 128 + 1024
"""Stored bytes of one frame: what zstd makes of ``LARGEST`` bytes that do not compress, with room to spare."""

LEVEL: Final = 3
SMALL_LEVEL: Final = 1
SMALL: Final = 64 * 1024
"""Up to so many bytes level 1 makes what level 3 makes, within a hundredth or two, in two thirds of the time."""

WINDOW_LOG: Final = 23
"""The largest window a reader accepts: 8 MiB."""

_DECOMPRESSION: Final[dict[int, int]] = {DecompressionParameter.window_log_max: WINDOW_LOG}


class Compressor:
    """Makes frames, one after the other; for one thread."""

    def __init__(self) -> None:
        self._small, self._large = _compressor(SMALL_LEVEL), _compressor(LEVEL)

    def __call__(self, data: bytes | memoryview) -> bytes:
        """Return one frame that says its raw size."""
        zstd = self._small if len(data) <= SMALL else self._large
        zstd.set_pledged_input_size(len(data))
        return zstd.compress(data, ZstdCompressor.FLUSH_FRAME)


def _compressor(level: int) -> ZstdCompressor:
    return ZstdCompressor(
        options={CompressionParameter.compression_level: level, CompressionParameter.checksum_flag: 0}
    )


def raw_size(frame: bytes | memoryview, what: str) -> int:
    """Return the raw size that a frame claims; ``expand`` holds it to that.

    Raises:
        Invalid: If it claims none.
    """
    try:
        size = get_frame_info(frame).decompressed_size
    except ZstdError as error:
        raise Invalid(f"{what}: its frame is damaged: {error}") from error
    if size is None:
        raise Invalid(f"{what}: its frame does not say its size")
    return size


def expand(frame: bytes | memoryview, size: int, what: str) -> bytes:
    """Return the raw bytes of one whole frame.

    Args:
        size: How many they must be, at most ``LARGEST``.
        what: What the frame is, for the error.

    Raises:
        Invalid: If the frame is damaged, has another size, wants a larger window,
            or is followed by anything.
    """
    if not 0 <= size <= LARGEST or len(frame) > LARGEST_STORED:
        raise Invalid(f"{what}: a frame has at most {LARGEST} bytes, not {size} (stored as {len(frame)})")
    if raw_size(frame, what) != size:
        raise Invalid(f"{what}: its frame does not have the {size} bytes that the index says")
    try:
        zstd = ZstdDecompressor(options=_DECOMPRESSION)
        data = zstd.decompress(frame, max_length=size + 1)
    except ZstdError as error:
        raise Invalid(f"{what}: its frame is damaged: {error}") from error
    if len(data) != size or not zstd.eof or zstd.unused_data:
        raise Invalid(f"{what}: its frame ends in the wrong place")
    return data
