"""A stream of which everything was trimmed shows the same extent as one that never held anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.partition.history import PROBE_S
from kov.partition.partition import Partition
from kov.partition.states import State
from tests.builders import batch
from tests.kov.partition.asking import code_of, offset_of, send
from tests.kov.partition.scripted import LOG_STREAM_ID, TOPIC_ID, ScriptedLog, partition_on
from tests.simulation.loop import run
from varlog_client import Admin, Log
from varlog_lite.server import LiteServer


async def refused(partition: Partition, offset: int) -> KafkaError:
    with pytest.raises(KafkaError) as caught:
        await partition.read(offset, max_bytes=1)
    return caught.value


async def test_a_consumer_is_not_reset_by_a_node_that_finds_everything_trimmed() -> None:
    log = ScriptedLog()
    writer = partition_on(log)
    for _ in range(3):
        await offset_of(send(writer, batch()))
    await writer.close(1)
    log.trim(len(log.entries))
    reader = partition_on(log, node_id=2)
    error = await refused(reader, 3)
    assert error.code is ErrorCode.kafka_storage_error
    assert "was trimmed to its end" in str(error.message)
    assert "kov repair m.yaml orders/0" in str(error.message)
    # A writer is told the same, as soon as its fence shows that there was something.
    assert await code_of(send(reader, batch())) is ErrorCode.kafka_storage_error
    assert reader.state is State.FAILED
    await reader.close(1)


def test_where_nothing_ever_was_out_of_range_is_said_after_a_look() -> None:
    async def main() -> None:
        reader = partition_on(ScriptedLog())
        begun = asyncio.get_running_loop().time()
        assert (await refused(reader, 1)).code is ErrorCode.offset_out_of_range
        assert asyncio.get_running_loop().time() - begun == pytest.approx(PROBE_S, abs=0.1)
        assert (await reader.read(0, max_bytes=1)).records == ()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(PROBE_S, abs=0.1)
        await reader.close(1)

    run(1, main())


def test_what_a_stream_begins_with_meanwhile_is_no_reason_to_refuse_it() -> None:
    async def main() -> None:
        log = ScriptedLog()
        reader = partition_on(log)
        asking = asyncio.create_task(refused(reader, 5))
        await asyncio.sleep(PROBE_S / 2)
        log.store([b"\xfeanother program"])
        assert (await asking).code is ErrorCode.offset_out_of_range
        await reader.close(1)

    run(1, main())


async def test_a_server_says_of_a_trimmed_stream_what_it_says_of_an_empty_one_until_it_is_read(
    tmp_path: Path,
) -> None:
    async with (
        LiteServer(tmp_path) as server,
        await Admin.connect(server.address) as admin,
        await Log.open(1, [server.address]) as log,
    ):
        topic = (await admin.add_topic()).topic_id
        log_stream = (await admin.add_log_stream(topic)).log_stream_id
        await log.refresh()
        empty = await log.peek(topic, log_stream)
        metas = await log.append_to(topic, log_stream, [b"one"])
        await admin.trim(topic, metas[-1].glsn)
        trimmed = await log.peek(topic, log_stream)
        assert (trimmed.first, trimmed.last) == (empty.first, empty.last)
        assert (topic, log_stream) == (TOPIC_ID, LOG_STREAM_ID)
        reader = partition_on(cast("ScriptedLog", log))
        assert (await refused(reader, 1)).code is ErrorCode.kafka_storage_error
        await reader.close(1)
