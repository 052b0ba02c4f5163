"""Asking a partition, and reading the log behind it by a fold of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov.entries import unpack
from kov.errors import KafkaError
from kov.partition.fold import Fold, Meaning
from kov.partition.identity import PartitionIdentity
from kov.partition.partition import Appended, Partition
from tests.kov.partition.scripted import ScriptedLog, partition_on

CONNECTION = object()


def send(
    partition: Partition, data: bytes, timeout_s: float = 10, source: object = CONNECTION
) -> asyncio.Future[Appended]:
    """As if each came in a turn of the event loop of its own: what one turn brings shares an append."""
    future = partition.append(data, source=source, timeout_s=timeout_s)
    if partition._writer is not None:
        partition._writer.pump()
    return future


async def offset_of(future: asyncio.Future[Appended]) -> int:
    async with asyncio.timeout(5):
        return (await future).base_offset


async def code_of(future: asyncio.Future[Appended]) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        async with asyncio.timeout(5):
            await future
    assert caught.value.message
    return caught.value.code


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def meaning_of(log: ScriptedLog) -> list[tuple[int, list[bytes]]]:
    """(offset, values) of every valid batch, by a fold of its own over the raw entries."""
    identity = PartitionIdentity(cluster_id=1, topic_uuid=partition_on(log).topic.uuid, index=0)
    fold = Fold(identity)
    found = []
    for llsn, payload in enumerate(log.entries, 1):
        if fold.apply(llsn, unpack(payload)) is Meaning.BATCH:
            read = DefaultRecordBatch(payload)
            found.append((read.base_offset, [bytes(record.value or b"") for record in read]))
    return found


def values_of(log: ScriptedLog) -> list[bytes]:
    return [value for _, values in meaning_of(log) for value in values]
