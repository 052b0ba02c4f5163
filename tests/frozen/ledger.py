"""What producers were told, held against what the log says: read raw, folded by rules written down here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.clients import consumers, raw
from tests.frozen.talk import NOT_LEADER, NOT_STORED, STORED, TIMED_OUT, Answer
from varlog_client import Log, LogStreamId, TopicId

_FENCE = b"\xffkov\x01\x01"
_CERTAIN = {NOT_LEADER, NOT_STORED}


@dataclass(frozen=True, slots=True)
class Place:
    """A Kafka partition, and the log stream it lies in."""

    topic: str
    topic_id: TopicId
    log_stream: LogStreamId
    index: int = 0


@dataclass(slots=True)
class Ledger:
    """Values are told apart by their bytes: none is sent twice. In a batch of several, all begin alike."""

    told: dict[bytes, asyncio.Future[Answer]] = field(default_factory=dict)

    def note(self, value: bytes, answer: asyncio.Future[Answer]) -> None:
        assert value not in self.told
        self.told[value] = answer

    async def answers(self) -> dict[bytes, Answer]:
        """All of them; a request that is never answered fails the test."""
        async with asyncio.timeout(90):
            return {value: await answer for value, answer in self.told.items()}


async def check(log: Log, place: Place, ledger: Ledger, *addresses: str) -> dict[bytes, Answer]:
    """Acknowledged: there, once, at its offset. Refused: not there. And consumers read the same.

    The node that writes last has it all; another one may know less of it, and nothing else.
    """
    answers = await ledger.answers()
    codes = {answer.code for answer in answers.values()}
    assert codes <= {STORED, TIMED_OUT, *_CERTAIN}, codes
    found = raw.folded(place.index, await raw.payloads(log, place.topic_id, place.log_stream))
    values = Counter(record.contents.value for record in found.records)
    offsets = {record.contents.value: record.offset for record in found.records}
    assert [value for value, times in values.items() if times > 1] == []
    for value, answer in answers.items():
        if answer.code == STORED:
            assert offsets.get(value) == answer.base_offset, f"{value!r} was acknowledged: {answer}"
        elif answer.code in _CERTAIN:
            assert value not in offsets, f"{value!r} is stored and was refused: {answer}"
    read = [
        await consumers.read_with_aiokafka(address, place.topic, {place.index: 0}) for address in addresses
    ]
    assert max(read, key=len) == found.records
    assert [each for each in read if each != found.records[: len(each)]] == []
    return answers


def check_order(answers: dict[bytes, Answer], order: Sequence[bytes]) -> None:
    """Of one producer's batches those that were stored lie in the order of sending."""
    offsets = [answers[value].base_offset for value in order if answers[value].code == STORED]
    assert offsets == sorted(offsets)


async def fences(log: Log, place: Place) -> int:
    """How many fences were written, void ones too."""
    entries = await raw.payloads(log, place.topic_id, place.log_stream)
    return sum(entry.startswith(_FENCE) for entry in entries)
