"""Produce requests to one kov, byte for byte ours, so that nobody tries again or goes to another node."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any, NamedTuple

from kio.schema.produce.v10.response import ProduceResponse

from tests.kov.wire.requests import decode_response, frame, request, sized

_SIZE = struct.Struct(">i")
_PRODUCE, _VERSION = 0, 10

STORED = 0
NOT_LEADER = 6
TIMED_OUT = 7
NOT_STORED = 56


class Answer(NamedTuple):
    """`leader`: the node that code 6 names, and where it is reached."""

    code: int
    base_offset: int
    message: str | None
    leader: tuple[int, str] | None


class Talk:
    """One connection; requests are sent at once, answers come in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = count(1)
        self._unanswered: dict[int, asyncio.Future[Answer]] = {}
        self.task = asyncio.create_task(self._read())

    def produce(
        self, topic: str, batch: bytes, *, index: int = 0, timeout_s: float = 30.0
    ) -> asyncio.Future[Answer]:
        """With acks=all."""
        partition = SimpleNamespace(index=index, records=batch)
        data = SimpleNamespace(name=topic, partition_data=(partition,))
        body = SimpleNamespace(acks=-1, timeout=timedelta(seconds=timeout_s), topic_data=(data,))
        number = next(self._ids)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._unanswered[number] = answer
        self._writer.write(sized(frame(request(_PRODUCE, _VERSION, body), correlation_id=number)))
        return answer

    async def produce_until_stored(self, topic: str, batch: bytes) -> Answer:
        """As a producer does: again while it is told to try again."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.produce(topic, batch)
                if answer.code == STORED:
                    return answer
                assert answer.code in {NOT_LEADER, NOT_STORED}, answer  # 7 would leave it unknown
                await asyncio.sleep(0.05)

    async def _read(self) -> None:
        while True:
            (size,) = _SIZE.unpack(await self._reader.readexactly(_SIZE.size))
            number, response = decode_response(
                ProduceResponse, await self._reader.readexactly(size), tagged_header=True
            )
            self._unanswered.pop(number).set_result(_answer(response))

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        self._writer.close()


def _answer(response: Any) -> Answer:
    [[part]] = [each.partition_responses for each in response.responses]
    leader = part.current_leader
    places = {each.node_id: f"{each.host}:{each.port}" for each in response.node_endpoints}
    named = None if leader is None or leader.leader_id < 0 else (leader.leader_id, places[leader.leader_id])
    return Answer(int(part.error_code), part.base_offset, part.error_message, named)


@asynccontextmanager
async def talking(address: str) -> AsyncIterator[Talk]:
    host, _, port = address.rpartition(":")
    talk = Talk(*await asyncio.open_connection(host, int(port)))
    try:
        yield talk
    finally:
        await talk.close()
