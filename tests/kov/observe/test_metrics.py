"""What is counted, and what Prometheus is told of it."""

from __future__ import annotations

import asyncio
import re
import struct
from datetime import timedelta

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient
from kio.schema.errors import ErrorCode

from kov.answer_errors import counter_of
from kov.counting import Histogram
from kov.handlers import APIS
from kov.handlers.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from kov.handlers.produce import PartitionProduceResponse, ProduceResponse, TopicProduceResponse
from kov.observe import families as f
from kov.observe.collecting import _software
from kov.observe.families import FAMILIES, GROUPS, Kind
from kov.peers import ClientView
from tests.kov.observe.conftest import Looked
from tests.kov.observe.looking import eventually, get
from tests.kov.server.conftest import Cluster
from varlog_client import LogStreamId, TopicId

ONE = {"topic": "orders", "partition": "0"}


async def produce(looked: Looked, count: int = 3) -> None:
    async with AIOKafkaProducer(bootstrap_servers=looked.bootstrap, client_id="maker") as producer:
        for _ in range(count):
            await producer.send_and_wait("orders", b"value", partition=0)


async def test_requests_are_counted_by_api_with_their_bytes_and_times(looked: Looked) -> None:
    before = await looked.samples()
    assert not before.has(f.REQUESTS.name)
    await produce(looked)
    after = await looked.samples()
    assert after.value(f.REQUESTS.name, api="Produce") == 3
    assert after.value(f.REQUEST_BYTES.name, api="Produce") > 3 * 61
    assert after.value(f.RESPONSE_BYTES.name, api="Produce") > 3 * 20
    assert after.value(f"{f.REQUEST_SECONDS.name}_count", api="Produce") == 3
    assert after.value(f"{f.REQUEST_SECONDS.name}_bucket", api="Produce", le="+Inf") == 3
    assert 0 < after.value(f"{f.REQUEST_SECONDS.name}_sum", api="Produce") < 30
    assert after.labels(f.REQUESTS.name, "api") >= {"Produce", "Metadata", "ApiVersions"}


async def test_a_written_partition_is_told_and_no_other(looked: Looked) -> None:
    await produce(looked)
    found = await looked.samples()
    assert found.labels(f.END_OFFSET.name, "partition") == {"0"}
    assert found.value(f.END_OFFSET.name, **ONE) == 3
    assert found.value(f.PARTITION_STATE.name, **ONE, state="active") == 1
    assert found.value(f.PARTITIONS.name, state="active") == 1
    assert found.value(f.BATCHES.name, **ONE) == found.value(f.RECORDS.name, **ONE) == 3
    assert found.value(f.APPENDS.name, **ONE) == 3
    assert found.value(f.APPENDED_BYTES.name, **ONE) > 3 * 61
    assert found.value(f.FENCES.name, **ONE) == found.value(f.OPENINGS.name, **ONE) == 1
    assert found.value(f.EPOCH.name, **ONE) == 1
    for idle in (f.QUEUED, f.HELD_BYTES, f.IN_FLIGHT, f.IN_DOUBT, f.DOUBTS, f.DEPOSALS):
        assert found.has(idle.name, **ONE)
        assert found.value(idle.name, **ONE) == 0, idle.name
    assert found.value(f"{f.APPEND_SECONDS.name}_count") == 3
    assert found.value(f"{f.APPEND_ENTRIES.name}_sum") == 3
    assert found.value(f"{f.BATCH_BYTES.name}_sum") == found.value(f.APPENDED_BYTES.name, **ONE)


async def test_reading_is_counted_by_where_it_was_served_from(looked: Looked) -> None:
    await produce(looked)
    async with AIOKafkaConsumer(bootstrap_servers=looked.bootstrap) as consumer:
        consumer.assign([TopicPartition("orders", 0)])
        await consumer.seek_to_beginning()
        assert (await consumer.getone()).value == b"value"
    found = await looked.samples()
    assert found.value(f.READS.name, **ONE, source="tail") >= 1
    assert found.value(f.READS.name, **ONE, source="varlog") == 0
    assert found.value(f.READ_BYTES.name, **ONE) > 61


async def test_connections_are_counted_and_why_they_ended(looked: Looked) -> None:
    host, _, port = looked.bootstrap.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(struct.pack(">i", -5))
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    _, gone = await asyncio.open_connection(host, int(port))
    gone.close()
    await gone.wait_closed()
    _, open_one = await asyncio.open_connection(host, int(port))

    async def counted() -> bool:
        found = await looked.samples()
        ends = {
            reason: found.value(f.CONNECTIONS_CLOSED.name, reason=reason) for reason in ("protocol", "client")
        }
        return (
            ends == {"protocol": 1, "client": 1}
            and found.value(f.CONNECTIONS.name) == 1
            and found.value(f.CONNECTIONS_OPENED.name) == 3
        )

    await eventually(counted)
    open_one.close()
    await open_one.wait_closed()


async def test_clients_are_told_by_their_library(looked: Looked) -> None:
    admin = AdminClient({"bootstrap.servers": looked.bootstrap})
    await asyncio.to_thread(admin.list_topics, timeout=10)

    async def told() -> bool:
        found = await looked.samples()
        named = found.value(f.CLIENTS.name, software="confluent-kafka-python")
        return named >= 1 and named == found.value(f.CONNECTIONS.name)

    await eventually(told)


def client(number: int) -> ClientView:
    return ClientView(
        number=number,
        remote="?",
        listener="default",
        client_id=None,
        software=f"library{number}",
        software_version="1",
        since=0.0,
        requests=0,
        in_progress=0,
        held_bytes=0,
    )


def test_clients_with_ever_new_names_are_told_together() -> None:
    found = _software([client(number) for number in range(1_000)])
    assert len(found) == 101
    assert found["other", "other"] == 900
    assert sum(found.values()) == 1_000


async def test_storage_the_process_and_the_build_are_told(looked: Looked) -> None:
    await produce(looked)
    found = await looked.samples()
    assert found.value(f.APPENDERS.name, storage_node="1") == 1
    assert found.value(f.APPENDERS_OPENED.name) == 1
    assert found.value(f.REFRESHES.name) >= 1
    assert found.value(f.READY.name) == 1
    assert found.value(f.MEMORY_LIMIT.name) == 512 * 1024 * 1024
    assert found.value(f.MEMORY_TAIL.name) > 0
    assert found.has(f.BUILD.name)
    assert found.value(f.NODE.name, node_id="1") == 1
    assert found.value("process_resident_memory_bytes") > 10_000_000
    assert found.has("python_gc_collections_total", generation="2")


async def test_a_stream_that_ended_is_told_with_the_reason(looked: Looked, cluster: Cluster) -> None:
    await produce(looked, 1)
    place = TopicId(1), LogStreamId(1)
    await cluster.admin.seal(*place)
    waiting = asyncio.create_task(produce(looked, 1))

    async def opening() -> bool:
        found = await looked.samples()
        return found.value(f.PARTITION_STATE.name, **ONE, state="opening") == 1

    await eventually(opening)
    await cluster.admin.unseal(*place)
    await waiting
    found = await looked.samples()
    assert found.value(f.APPENDERS_ENDED.name, reason="Sealed") >= 1
    assert found.value(f.APPENDERS_OPENED.name) >= 2
    assert found.value(f.FENCES.name, **ONE) >= 2
    assert found.value(f.DOUBTS.name, **ONE) == 1
    assert found.value(f.OPENINGS.name, **ONE) == found.value(f.EPOCH.name, **ONE) == 2


async def test_the_event_loop_is_watched(looked: Looked) -> None:
    async def measured() -> bool:
        return (await looked.samples()).value(f"{f.LOOP_LAG.name}_count") >= 2

    await eventually(measured)


async def test_open_metrics_are_given_to_who_asks_for_them(looked: Looked) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{looked.url}/metrics", headers=accept) as answer,
    ):
        assert answer.content_type == "application/openmetrics-text"
        assert (await answer.text()).endswith("# EOF\n")
    plain = await get(f"{looked.url}/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")


async def test_everything_that_is_told_stands_in_the_table(looked: Looked) -> None:
    async with AIOKafkaProducer(bootstrap_servers=looked.bootstrap) as producer:
        await producer.send_and_wait("orders", b"value", partition=0)
        told = {name for name in (await looked.samples()).families if name.startswith("kov_")}
    known = {family.name.removesuffix("_total") for family in FAMILIES}
    assert told <= known
    assert known - told <= {"kov_kafka_request_errors", "kov_varlog_appenders_ended", "kov_log_lines"}


def test_names_follow_the_conventions() -> None:
    for _, families in GROUPS:
        for family in families:
            assert re.fullmatch(r"kov_[a-z]+(_[a-z]+)*", family.name)
            assert family.name.endswith("_total") is (family.kind is Kind.COUNTER), family.name
            assert family.help.endswith("."), family.name
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_a_histogram_puts_each_value_below_its_bound() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 3.0):
        histogram.add(value)
    assert histogram.counts == [2, 1, 1]
    assert (histogram.total, histogram.count) == (6.0, 4)


def found_in(answer: object) -> dict[int, int]:
    found: dict[int, int] = {}
    count = counter_of(type(answer))
    assert count is not None
    count(answer, found)
    return found


def test_errors_of_single_partitions_are_found() -> None:
    codes = (
        ErrorCode.none,
        ErrorCode.request_timed_out,
        ErrorCode.request_timed_out,
        ErrorCode.invalid_record,
    )
    parts = tuple(PartitionProduceResponse(index=at, error_code=code) for at, code in enumerate(codes))
    answer = ProduceResponse(responses=(TopicProduceResponse(partition_responses=parts),))
    assert found_in(answer) == {7: 2, 87: 1}


def test_an_error_of_the_whole_answer_counts_once() -> None:
    part = PartitionData(partition_index=0, error_code=ErrorCode.unknown_server_error)
    answer = FetchResponse(
        responses=(FetchableTopicResponse(partitions=(part,)),),
        error_code=ErrorCode.unknown_server_error,
        throttle_time=timedelta(0),
    )
    assert found_in(answer) == {-1: 1}


def test_the_errors_of_every_api_that_has_some_can_be_counted() -> None:
    without = {APIS[key].name for key in APIS if counter_of(APIS[key].response) is None}
    assert without == set()
