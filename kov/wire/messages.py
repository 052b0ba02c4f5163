"""Frame to request and answer to frame: headers here, bodies by `reading` and `writing`. No I/O.

A request header is: api key, api version, correlation id, client id, and with flexible versions tags. The
client id is a legacy string even there, and ApiVersions is answered with header v0 whatever its version:
both so that a client can talk before it knows what the server speaks.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final, Generic, TypeVar, cast

from kio.static.protocol import Entity

from kov.errors import ProtocolError
from kov.wire.cursor import Cursor
from kov.wire.frames import Frame
from kov.wire.reading import reader
from kov.wire.schema import Schema, request_type, response_type
from kov.wire.writing import writer

T = TypeVar("T")

_HEAD: Final = struct.Struct(">hhi")
_SIZE: Final = struct.Struct(">i")
_CORRELATION_ID: Final = struct.Struct(">i")
_LARGE_BYTES: Final = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every request starts with, in any version of anything."""

    api_key: int
    api_version: int
    correlation_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    client_id: str | None
    body: T


def read_head(frame: Frame) -> Head:
    """Raises `ProtocolError` for a frame too short to be a request."""
    if len(frame) < _HEAD.size:
        raise ProtocolError(f"a request of {len(frame)} bytes has no header")
    api_key, api_version, correlation_id = _HEAD.unpack_from(frame)
    return Head(api_key=api_key, api_version=api_version, correlation_id=correlation_id)


def decode(head: Head, frame: Frame, declared: type[T]) -> Request[T]:
    """The request that `head` begins, as the handler's own type; its version must be one that kio knows.

    Raises `ProtocolError` for a body that isn't what its version says. Bytes behind the body are ignored,
    as Kafka does.
    """
    schema = request_type(head.api_key, head.api_version)
    cursor = Cursor(frame, _HEAD.size)
    try:
        size = cursor.int16()
        client_id = None if size == -1 else str(cursor.take(size), "utf-8", "replace")
        if schema.__flexible__:
            cursor.skip_tags()
        return Request(client_id=client_id, body=reader(schema, declared)(cursor))
    except (struct.error, IndexError) as error:
        raise ProtocolError("the request ends too early") from error
    except ValueError as error:
        raise ProtocolError(str(error)) from error


def encode(head: Head, answer: object, api_version: int | None = None) -> Sequence[bytes]:
    """A whole response frame, its size in front, in the request's version or the one given.

    It comes in pieces, so that large values are not copied. `answer` has the fields of that version, or of
    all versions (`writing`).
    """
    schema = response_type(head.api_key, head.api_version if api_version is None else api_version)
    pieces = [b"", _CORRELATION_ID.pack(head.correlation_id)]
    if _has_tags(schema):
        pieces.append(b"\0")
    writer(schema, type(answer))(pieces.append, answer)
    size = sum(map(len, pieces))
    pieces[0] = _SIZE.pack(size)
    return (b"".join(pieces),) if size < _LARGE_BYTES else _merged(pieces)


def _merged(pieces: Sequence[bytes]) -> Sequence[bytes]:
    """The same bytes, with neighbours joined as long as they are small."""
    merged: list[bytes] = []
    for is_large, run in groupby(pieces, lambda piece: len(piece) >= _LARGE_BYTES):
        if is_large:
            merged.extend(run)
        else:
            merged.append(b"".join(run))
    return merged


@cache
def _has_tags(schema: Schema) -> bool:
    """Whether the response header ends with tags (v1) or is the correlation id alone (v0)."""
    header = cast("type[Entity]", schema.__header_schema__)
    return header.__flexible__
