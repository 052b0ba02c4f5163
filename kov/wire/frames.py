"""Bytes to frames: a 4-byte size, then that many bytes, again and again. No I/O, no clock.

Small frames are cut out of one chunk that is used again and again. A frame larger than the chunk is received
straight into memory of its own, so its bytes are not copied on the way. That memory grows with what has
really arrived: a peer that announces much and sends little costs little.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, TypeAlias

from kov.errors import ProtocolError

Frame: TypeAlias = bytes | memoryview
"""One request without its size. A memoryview is read-only, and nobody writes behind it."""

CHUNK_BYTES: Final = 16 * 1024
_GROWTH: Final = 8
_STEP_BYTES: Final = 1024 * 1024  # as far as it grows by that; then it doubles
_SIZE: Final = struct.Struct(">i")


class FrameBuffer:
    """The incoming bytes of one connection: fill `room()`, then say how much came by `received(count)`."""

    __slots__ = ("_chunk", "_kept", "_large", "_max_frame_bytes")

    def __init__(self, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._chunk = memoryview(bytearray(CHUNK_BYTES))
        self._kept = 0  # bytes of an unfinished frame at the start of the chunk
        self._large: _LargeFrame | None = None

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun that isn't complete."""
        return bool(self._kept) or self._large is not None

    @property
    def held_bytes(self) -> int:
        """The memory of an unfinished frame that has some of its own."""
        return 0 if self._large is None else self._large.held_bytes

    def room(self, *, tight: bool = False) -> memoryview:
        """Where to put the next bytes; never empty, valid until the next call. `tight`: memory is short."""
        return self._chunk[self._kept :] if self._large is None else self._large.room(tight=tight)

    def clear(self) -> None:
        """Forgets the unfinished frame: nothing more will come."""
        self._kept, self._large = 0, None

    def received(self, count: int) -> Iterator[Frame]:
        """Yields the frames that `count` more bytes complete, in order; must be exhausted.

        Raises `ProtocolError`, after the frames before it, at a size that is negative or above the limit.
        """
        if self._large is None:
            yield from self._cut(self._kept + count)
        elif self._large.received(count):
            frame, self._large = self._large.frame(), None
            yield frame

    def _cut(self, end: int) -> Iterator[Frame]:
        chunk, start = self._chunk, 0
        while end - start >= _SIZE.size:
            size = self._checked(_SIZE.unpack_from(chunk, start)[0])
            body = start + _SIZE.size
            if body + size > end:
                break
            yield bytes(chunk[body : body + size])
            start = body + size
        self._keep(start, end)

    def _checked(self, size: int) -> int:
        if size < 0:
            raise ProtocolError(f"a request claims a size of {size} bytes")
        if size > self._max_frame_bytes:
            raise ProtocolError(
                f"a request of {size} bytes is larger than the {self._max_frame_bytes} allowed"
            )
        return size

    def _keep(self, start: int, end: int) -> None:
        """Puts the unfinished frame in [start, end) where the rest of it can be received."""
        rest = self._chunk[start:end]
        self._kept = 0
        if len(rest) >= _SIZE.size:
            size: int = _SIZE.unpack_from(rest)[0]
            if _SIZE.size + size > CHUNK_BYTES:
                self._large = _LargeFrame(size, rest[_SIZE.size :])
                return
        if start:
            self._chunk[: len(rest)] = rest
        self._kept = len(rest)


class _LargeFrame:
    """A frame that doesn't fit into the chunk, with as much memory as what came so far justifies."""

    __slots__ = ("_data", "_filled", "_size")

    def __init__(self, size: int, begun: memoryview) -> None:
        self._size = size
        self._data = bytearray(min(size, _GROWTH * CHUNK_BYTES))
        self._data[: len(begun)] = begun
        self._filled = len(begun)

    @property
    def held_bytes(self) -> int:
        return len(self._data)

    def room(self, *, tight: bool) -> memoryview:
        if self._filled == len(self._data):
            # A new array, not a larger one: the caller may still hold the view of the last call.
            grown = bytearray(min(self._size, self._filled + CHUNK_BYTES if tight else self._next_size()))
            grown[: self._filled] = self._data
            self._data = grown
        return memoryview(self._data)[self._filled :]

    def _next_size(self) -> int:
        return max(2 * self._filled, min(_GROWTH * self._filled, _STEP_BYTES))

    def received(self, count: int) -> bool:
        self._filled += count
        return self._filled == self._size

    def frame(self) -> memoryview:
        return memoryview(self._data).toreadonly()
