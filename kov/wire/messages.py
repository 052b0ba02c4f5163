"""Frame to kio entity and back: request and response headers, each version's schema. No I/O.

A request header is: api key, api version, correlation id, client id, and with flexible versions tags. The
client id is a legacy string even there, and ApiVersions is answered with header v0 whatever its version:
both so that a client can talk before it knows what the server speaks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Final, TypeAlias

from kio.index import load_request_schema
from kio.serial import entity_reader, entity_writer
from kio.serial.errors import SerialError
from kio.static.protocol import Payload

from kov.errors import ProtocolError
from kov.wire import lengths
from kov.wire.frames import Frame

Entity: TypeAlias = Payload
"""A request or a response: an instance of the schema class of its version."""

_HEAD: Final = struct.Struct(">hhi")
_CLIENT_ID: Final = struct.Struct(">h")
_SIZE: Final = struct.Struct(">i")
_PREFIX: Final = struct.Struct(">ii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every request starts with, in any version of anything."""

    api_key: int
    api_version: int
    correlation_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    client_id: str | None
    body: Entity


def read_head(frame: Frame) -> Head:
    """Raises `ProtocolError` for a frame too short to be a request."""
    if len(frame) < _HEAD.size:
        raise ProtocolError(f"a request of {len(frame)} bytes has no header")
    api_key, api_version, correlation_id = _HEAD.unpack_from(frame)
    return Head(api_key=api_key, api_version=api_version, correlation_id=correlation_id)


def decode(head: Head, frame: Frame) -> Request:
    """The request that `head` begins, which must be of a known API and version.

    Raises `ProtocolError` for a body that isn't what its version says. Bytes behind the body are ignored,
    as Kafka does.
    """
    schema = load_request_type(head.api_key, head.api_version)
    try:
        client_id, offset = _read_client_id(frame, schema.__flexible__)
        body, _ = entity_reader(schema)(*lengths.readable(schema, frame, offset))
    except (SerialError, struct.error, IndexError, ValueError) as error:
        # kio reports damage by its own errors and by ValueError.
        raise ProtocolError(str(error)) from error
    return Request(client_id=client_id, body=body)


def _read_client_id(frame: Frame, flexible: bool) -> tuple[str | None, int]:
    """The client id, and the offset of the body."""
    offset = _HEAD.size + _CLIENT_ID.size
    length: int = _CLIENT_ID.unpack_from(frame, _HEAD.size)[0]
    client_id = None
    if length >= 0:
        if length > len(frame) - offset:
            raise ProtocolError("the client id doesn't fit into the request")
        client_id = str(frame[offset : offset + length], "utf-8")
        offset += length
    return client_id, lengths.skip_tags(lengths.Walk(frame), offset) if flexible else offset


@cache
def load_request_type(api_key: int, api_version: int) -> type[Entity]:
    """kio's schema class; raises kio's lookup error for what kio doesn't know."""
    return load_request_schema(api_key, api_version)


def encode(correlation_id: int, answer: Entity) -> bytes:
    """A whole response frame, its size in front."""
    out = BytesIO()
    out.write(_PREFIX.pack(0, correlation_id))
    if answer.__header_schema__.__flexible__:
        out.write(b"\0")  # header v1 ends with tags, v0 is only the correlation id
    entity_writer(type(answer))(out, answer)
    with out.getbuffer() as view:
        _SIZE.pack_into(view, 0, len(view) - _SIZE.size)
    return out.getvalue()
