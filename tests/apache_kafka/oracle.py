"""kov and a real Apache Kafka side by side: the same request to both, and what their answers differ in.

    async def test_it(oracle: Oracle) -> None:
        assert await oracle.compare(lambda side: asking(3, 12, topics=[{"name": "plain"}])) == []

Both have the topics of `side.TOPICS`. A request is made for each side anew, since topic ids differ; what it
depends on otherwise (offsets, producers) is the same as long as both are asked the same things.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from kov.handlers import APIS
from tests.apache_kafka.allowed import ALLOWED
from tests.apache_kafka.comparing import Allowed, Plain, differences, plain, unexplained
from tests.kov.kafka_table.side import Side
from tests.kov.wire.requests import Entity, frame

_HEAD = struct.Struct(">hh")
_API_VERSIONS = 18


class Oracle:
    def __init__(self, kafka: Side, kov: Side) -> None:
        self.kafka = kafka
        self.kov = kov
        self.sides = (kafka, kov)

    async def exchange(self, request: bytes) -> bytes | None:
        """Kafka's answer to a request without its size; None where there is none."""
        return (await self.kafka.exchange(request)).data

    async def compare(
        self,
        make: Callable[[Side], Entity | bytes],
        *,
        allowed: Sequence[Allowed] = ALLOWED,
        seen: Callable[[Side, Plain], Plain] = lambda _, answer: answer,
    ) -> list[str]:
        """Sends a request, an entity of kio's or its bytes, to both; what differs and isn't allowed.

        `seen` may change what is compared, for what is the same in another sense than equal.
        """
        answers = []
        for side in self.sides:
            made = make(side)
            request = made if isinstance(made, bytes) else frame(made)
            api_key, version = _HEAD.unpack_from(request.ljust(_HEAD.size, b"\xff"))
            reply = await side.exchange(request)
            answer = plain(side, api_key, 0 if _is_unknown(api_key, version) else version, reply)
            answers.append(seen(side, answer))
        kafka, kov = answers
        return unexplained(api_key, differences(kafka, kov), allowed)


def _is_unknown(api_key: int, version: int) -> bool:
    """Whether the answer comes in v0 because the version isn't known (KIP-511). Kafka 4.4 knows v5."""
    return api_key == _API_VERSIONS and version not in APIS[api_key].versions
