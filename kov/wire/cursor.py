"""A place in the bytes of one request, and how to read what stands there."""

from __future__ import annotations

import struct
from typing import Final

from kov.errors import ProtocolError
from kov.wire.frames import Frame

MAX_ELEMENTS: Final = 500_000
_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")


class Cursor:
    """`at`: the next byte; `left`: how many more array elements the request may have.

    A claim that the bytes can't keep is a `ProtocolError`, and so are `IndexError` and `struct.error`: the
    request ends too early.
    """

    __slots__ = ("at", "data", "left")

    def __init__(self, data: Frame, at: int) -> None:
        self.data = data
        self.at = at
        self.left = MAX_ELEMENTS

    def take(self, count: int) -> Frame:
        """The next `count` bytes."""
        begin, end = self.at, self.at + count
        if count < 0 or end > len(self.data):
            raise ProtocolError(f"a length of {count} bytes doesn't fit into the request")
        self.at = end
        return self.data[begin:end]

    def uvarint(self) -> int:
        """An unsigned varint of at most 5 bytes."""
        byte = self.data[self.at]
        self.at += 1
        if byte < 0x80:
            return byte
        value = byte & 0x7F
        for shift in (7, 14, 21, 28):
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ProtocolError("a varint has more than 5 bytes")

    def int16(self) -> int:
        value: int = _INT16.unpack_from(self.data, self.at)[0]
        self.at += 2
        return value

    def int32(self) -> int:
        value: int = _INT32.unpack_from(self.data, self.at)[0]
        self.at += 4
        return value

    def array(self, count: int, least: int) -> int:
        """`count` again, if so many elements of at least `least` bytes each can follow."""
        self.left -= count
        if count < 0 or self.left < 0 or count * least > len(self.data) - self.at:
            raise ProtocolError(f"an array claims {count} elements")
        return count

    def skip_tags(self) -> None:
        """Passes over a whole section of tagged fields; as a rule there are none."""
        if self.data[self.at] == 0:
            self.at += 1
            return
        for _ in range(self.uvarint()):
            self.uvarint()
            self.take(self.uvarint())
