"""Batches in doubt where what would tell their fate was trimmed: they may be stored, and nothing overtakes
them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from kio.schema.errors import ErrorCode

from kov.entries import pack, unpack
from kov.partition import control
from kov.partition.fold import Fold
from kov.partition.identity import ProducerBounds, WriterIdentity, WriterStamp
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.states import State
from tests.builders import batch, idempotent
from tests.kov.partition.asking import code_of, offset_of, send, until
from tests.kov.partition.scripted import IDENTITY, ScriptedLog, partition_on

LIMITS = Limits(retry_s=0.001, max_retry_s=0.01, deposed_s=0.05)
OTHER = WriterStamp(attempt_id=b"o" * 16, node=WriterIdentity(node_id=2))


@pytest.fixture
def log() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
async def partition(log: ScriptedLog) -> AsyncIterator[Partition]:
    made = partition_on(log, limits=LIMITS)
    yield made
    log.release()
    await made.close(1)


def void_fence(log: ScriptedLog) -> bytes:
    """One that came too late, and tells the state behind all that is stored."""
    fold = Fold(IDENTITY)
    for llsn, payload in enumerate(log.entries, 1):
        fold.apply(llsn, unpack(payload))
    fence = control.fence(fold, OTHER, ProducerBounds(), 0)
    return pack(fence.kind, 1, fence.message)


async def test_at_the_node_that_goes_on_writing(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, idempotent(0)))
    log.hold(lambda payload: True)
    sent = send(partition, idempotent(1))
    for stored in (0, 1, 1):  # the batch isn't stored, two fences are, and nobody is told
        await until(lambda: len(log.sent) == 1)
        log.strand(stored=stored)
    log.store([void_fence(log)])
    log.trim(len(log.entries) - 1)
    log.release()
    assert await code_of(sent) is ErrorCode.request_timed_out
    assert await code_of(send(partition, idempotent(2))) is ErrorCode.kafka_storage_error
    assert await offset_of(send(partition, idempotent(1))) == 1
    assert partition.epoch == 4


async def test_at_a_node_that_its_namesake_has_deposed(partition: Partition, log: ScriptedLog) -> None:
    await offset_of(send(partition, idempotent(0)))
    log.hold(lambda payload: b"7/0/1" in payload)
    sent = send(partition, idempotent(1))
    await until(lambda: len(log.sent) == 1)
    for value in (b"b", b"c"):
        namesake = partition_on(log, limits=LIMITS)
        await offset_of(send(namesake, batch([value])))
        await namesake.close(1)
    log.trim(len(log.entries) - 2)  # the newest fence and its batch are left
    log.take()
    log.release()
    assert await code_of(sent) is ErrorCode.request_timed_out
    await until(lambda: partition.state is State.DEPOSED)
    assert await code_of(send(partition, idempotent(2))) is ErrorCode.kafka_storage_error
    assert await offset_of(send(partition, idempotent(1))) == 3
