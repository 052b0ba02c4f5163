"""DescribeProducers (key 61), v0: the idempotent producers that a partition remembers.

Asked of the node that leads the partition. The time is the partition's clock when the producer was last seen,
which a fence or snapshot moves: -1 for one seen since the newest of them. There are no transactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import admin
from kov.handlers.base import Context, api
from kov.handlers.lookup import find_named, find_partition


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRequest:
    name: str
    partition_indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeProducersRequest:
    topics: tuple[TopicRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerState:
    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp: int
    coordinator_epoch: int = -1
    current_txn_start_offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionResponse:
    partition_index: int
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = None
    active_producers: tuple[ProducerState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicResponse:
    name: str
    partitions: tuple[PartitionResponse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeProducersResponse:
    topics: tuple[TopicResponse, ...]
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: DescribeProducersRequest) -> DescribeProducersResponse:
    asked = [(topic.name, index) for topic in request.topics for index in topic.partition_indexes]
    found: dict[tuple[str, int], tuple[ProducerState, ...]] = {}

    async def look(part: tuple[str, int]) -> None:
        found[part] = await _producers(context, *part)

    outcomes = dict(zip(asked, await admin.each(asked, look), strict=True))
    return DescribeProducersResponse(
        topics=tuple(
            TopicResponse(
                name=topic.name,
                partitions=tuple(
                    _answer(index, found.get((topic.name, index), ()), outcomes[topic.name, index])
                    for index in topic.partition_indexes
                ),
            )
            for topic in request.topics
        )
    )


async def _producers(context: Context, name: str, index: int) -> tuple[ProducerState, ...]:
    partition = find_partition(context, find_named(context, name), index)
    return tuple(
        ProducerState(
            producer_id=producer_id,
            producer_epoch=producer.epoch,
            last_sequence=producer.last_sequence,
            last_timestamp=producer.last_seen_ms or -1,
        )
        for producer_id, producer in (await partition.producers()).items()
    )


def _answer(index: int, producers: tuple[ProducerState, ...], error: KafkaError | None) -> PartitionResponse:
    return PartitionResponse(
        partition_index=index,
        error_code=admin.code(error),
        error_message=admin.text(error),
        active_producers=producers,
    )


API = api(
    key=61,
    name="DescribeProducers",
    versions=range(1),
    request=DescribeProducersRequest,
    response=DescribeProducersResponse,
    handle=handle,
)
