"""Which batches of a Produce request get a place in their logs, and why others don't."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kov import records
from kov.errors import KafkaError
from kov.handlers.base import Context
from kov.handlers.lookup import check_index, find_partition, find_topic
from kov.handlers.transactions import refusal
from kov.topics import Topic

if TYPE_CHECKING:
    from kov.handlers.produce import PartitionProduceData, ProduceRequest, TopicProduceData
    from kov.partition.partition import Appended, Partition

_log: Final = logging.getLogger(__name__)
_FIRST_VERSION_WITH_ZSTD: Final = 7
_SHORTEST_TIMEOUT_S: Final = 1.0  # with acks=1 Kafka ignores the timeout, and some clients send 0
# With acks=0 nobody waits, and hanging up takes nothing back: what can't be stored must not fill the memory
# for the 24 days that a request may ask for. It is as long as Java's delivery.timeout.ms.
_LONGEST_UNANSWERED_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Admitted:
    """A batch that has its place, or the reason why it has none. `partition`: the one that was asked."""

    index: int
    outcome: asyncio.Future[Appended] | KafkaError
    partition: Partition | None = None


def admit(context: Context, request: ProduceRequest) -> list[list[Admitted]]:
    """What became of every partition asked for, by topic, in the request's order."""
    if any(
        records.is_transactional(part.records) for data in request.topic_data for part in data.partition_data
    ):
        error = refusal(f"the transactional id {request.transactional_id!r}")
        return [[Admitted(part.index, error) for part in data.partition_data] for data in request.topic_data]
    return [_admit_topic(context, request, data) for data in request.topic_data]


def _admit_topic(context: Context, request: ProduceRequest, data: TopicProduceData) -> list[Admitted]:
    try:
        topic = find_topic(context, data.name, data.topic_id)
    except KafkaError as error:
        return [Admitted(part.index, error.bare()) for part in data.partition_data]
    return [_admit(context, request, topic, part) for part in data.partition_data]


def _admit(context: Context, request: ProduceRequest, topic: Topic, data: PartitionProduceData) -> Admitted:
    partition = None
    try:
        check_index(topic, data.index)
        batch = _checked(context.api_version, data.records)
        if request.acks not in {-1, 0, 1}:
            raise KafkaError(ErrorCode.invalid_required_acks, f"acks is {request.acks}, not -1, 0 or 1")
        partition = find_partition(context, topic, data.index)
        timeout_s = max(request.timeout.total_seconds(), _SHORTEST_TIMEOUT_S)
        if request.acks == 0:
            timeout_s = min(timeout_s, _LONGEST_UNANSWERED_S)
        outcome = partition.append(batch, source=context.source, timeout_s=timeout_s)
    except KafkaError as error:
        return Admitted(data.index, error.bare(), partition)
    except Exception:  # A defect of ours in one partition must not take the answers of the others along.
        _log.exception("producing to %s/%d failed", topic.name, data.index)
        return Admitted(data.index, defect())
    return Admitted(data.index, outcome, partition)


def _checked(version: int, data: bytes | None) -> bytes:
    """The batch, after what Kafka checks before it looks at acks (`ProduceRequest.validateRecords`)."""
    batch = bytes(records.sole_batch(data))
    if records.read_header(batch).codec == records.CODEC_ZSTD and version < _FIRST_VERSION_WITH_ZSTD:
        raise KafkaError(
            ErrorCode.unsupported_compression_type,
            f"zstd needs Produce v{_FIRST_VERSION_WITH_ZSTD} or later, this request is v{version}",
        )
    return batch


def defect() -> KafkaError:
    return KafkaError(ErrorCode.unknown_server_error, "an unexpected error, see the server's log")
