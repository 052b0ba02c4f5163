"""One server that is asked raw requests: kov, or the Apache Kafka that it is compared with."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final
from uuid import UUID

from kov.wire.schema import response_type
from tests.kov.wire.requests import Entity, decode_response, frame, request, sized

_PROBE_ID: Final = 2**31 - 1
_PROBE: Final = sized(struct.pack(">hhih", 18, 0, _PROBE_ID, -1))  # ApiVersions v0
_ANSWER_S: Final = 30.0
_API_VERSIONS: Final = 18


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one request: its answer without the size, if there was one, and whether the line holds."""

    data: bytes | None
    open: bool


class Side:
    """Where a server listens, and the uuids that it gave its topics."""

    def __init__(self, name: str, host: str, port: int, uuids: Mapping[str, UUID] | None = None) -> None:
        self.name = name
        self.host, self.port = host, port
        self.uuids = dict(uuids or {})

    def __repr__(self) -> str:
        return f"<Side {self.name} {self.host}:{self.port}>"

    async def exchange(self, *requests: bytes) -> Reply:
        """Sends requests without their sizes over a connection of their own; the last one's answer.

        All but the last must have answers. A request without an answer is told from a closed connection by
        a probe behind it.
        """
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            async with asyncio.timeout(_ANSWER_S):
                for each in requests[:-1]:
                    writer.write(sized(each))
                    assert await _next(reader) is not None, "the connection was closed too early"
                writer.write(sized(requests[-1]) + _PROBE)
                answer = await _next(reader)
                if answer is None or _correlation_id(answer) == _PROBE_ID:
                    return Reply(None, answer is not None)
                return Reply(answer, await _next(reader) is not None)
        finally:
            writer.close()

    async def ask(self, request: Entity) -> Entity | None:
        """The decoded answer to a request of kio's; None where there is none and the connection stays.

        ConnectionResetError where it is closed instead.
        """
        reply = await self.exchange(frame(request))
        if reply.data is None and not reply.open:
            raise ConnectionResetError(f"{self.name} closed the connection")
        return None if reply.data is None else decoded(request.__api_key__, request.__version__, reply.data)


def asking(api_key: int, version: int, **fields: object) -> Entity:
    """A request of kio's from plain values: structures are dicts, arrays lists.

    Fields that are left out are zero or empty.
    """
    return request(api_key, version, _spaced(fields))


def _spaced(value: object) -> object:
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _spaced(each) for name, each in value.items()})
    return tuple(map(_spaced, value)) if isinstance(value, list | tuple) else value


def decoded(api_key: int, version: int, data: bytes) -> Entity:
    """An answer as kio reads it."""
    schema = response_type(api_key, version)
    tagged = schema.__flexible__ and api_key != _API_VERSIONS
    return decode_response(schema, data, tagged_header=tagged)[1]


def _correlation_id(answer: bytes) -> int:
    return int.from_bytes(answer[:4], "big")


async def _next(reader: asyncio.StreamReader) -> bytes | None:
    try:
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic that every side has."""

    name: str
    partitions: int
    config: Mapping[str, str]


TOPICS: Final[Sequence[TopicSpec]] = (
    TopicSpec("plain", 6, {}),
    TopicSpec("small", 2, {"max.message.bytes": "500"}),
    TopicSpec("append-time", 2, {"message.timestamp.type": "LogAppendTime"}),
    TopicSpec(
        "bounded",
        2,
        {"message.timestamp.before.max.ms": "3600000", "message.timestamp.after.max.ms": "60000"},
    ),
    TopicSpec("compacted", 2, {"cleanup.policy": "compact"}),
    TopicSpec(
        "compacted-append-time", 2, {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
    ),
)
