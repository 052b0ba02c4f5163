"""Produce (key 0), v3-v13: one record batch per partition into the log.

v5 log_start_offset · v7 zstd · v8 error_message · v9 flexible · v10 current leader beside code 6 (KIP-951)
· v13 topics by id. v0-v2 are advertised, but a request of them closes the connection, as on Kafka 4.

Batches take their places in the order of arrival, before `handle` returns. acks=1 and acks=all are answered
when committed, within the request's timeout; acks=0 gets no answer, and any error closes the connection.
Every partition asked for is in the answer. Order of checks: transactional id, topic and partition, form of
the batch, acks, and then what only the partition knows.

Differs: transactions aren't served. A transactional id gets 53 for every partition, the same as from
InitProducerId and FindCoordinator, where a client meets it first. record_errors is always empty, since no
record is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov import records
from kov.errors import KafkaError, ProtocolError
from kov.handlers.base import Context, Pending, api
from kov.handlers.lookup import (
    NO_LEADER,
    LeaderIdAndEpoch,
    NodeEndpoint,
    current_leader,
    endpoints,
    find_partition,
    find_topic,
)
from kov.handlers.transactions import refusal
from kov.topics import Topic

if TYPE_CHECKING:
    from kov.partition.partition import Appended

_log: Final = logging.getLogger(__name__)
_FIRST_VERSION_WITH_ZSTD: Final = 7
_SHORTEST_TIMEOUT_S: Final = 1.0  # with acks=1 Kafka ignores the timeout, and some clients send 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProduceData:
    index: int
    records: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicProduceData:
    partition_data: tuple[PartitionProduceData, ...]
    name: str = ""
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProduceRequest:
    acks: int
    timeout: timedelta
    topic_data: tuple[TopicProduceData, ...]
    transactional_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordError:
    batch_index: int
    batch_index_error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProduceResponse:
    index: int
    error_code: ErrorCode = ErrorCode.none
    base_offset: int = -1
    log_append_time: datetime | None = None
    log_start_offset: int = -1
    record_errors: tuple[RecordError, ...] = ()
    error_message: str | None = None
    current_leader: LeaderIdAndEpoch = NO_LEADER


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicProduceResponse:
    partition_responses: tuple[PartitionProduceResponse, ...]
    name: str = ""
    topic_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProduceResponse:
    responses: tuple[TopicProduceResponse, ...]
    throttle_time: timedelta = timedelta(0)
    node_endpoints: tuple[NodeEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A batch that has its place, or the reason why it has none."""

    index: int
    outcome: asyncio.Future[Appended] | KafkaError


def handle(context: Context, request: ProduceRequest) -> Pending[ProduceResponse | None]:
    return _Answer(context, request, [_admit_topic(context, request, part) for part in request.topic_data])


class _Answer:
    """The answer to one request. Ending its wait, or closing it, tells the partitions that nobody waits.

    Not so with acks=0: the producer may be gone long before its batches are stored.
    """

    def __init__(self, context: Context, request: ProduceRequest, admitted: list[list[_Admitted]]) -> None:
        self._context = context
        self._request = request
        self._admitted = admitted
        self._detached = request.acks == 0

    def __await__(self) -> Generator[object, None, ProduceResponse | None]:
        return self._answer().__await__()

    def close(self) -> None:
        if self._detached:
            return
        for part in (part for parts in self._admitted for part in parts):
            if isinstance(part.outcome, asyncio.Future):
                part.outcome.cancel()

    async def _answer(self) -> ProduceResponse | None:
        errors: list[KafkaError] = []
        responses = []
        try:
            for topic, parts in zip(self._request.topic_data, self._admitted, strict=True):
                answers = tuple([await self._settle(part, errors) for part in parts])
                responses.append(
                    TopicProduceResponse(
                        name=topic.name, topic_id=topic.topic_id, partition_responses=answers
                    )
                )
        finally:
            self.close()
        if self._detached:
            _hang_up_on(errors)
            return None
        return ProduceResponse(
            responses=tuple(responses), node_endpoints=endpoints(self._context, errors) if errors else ()
        )

    async def _settle(self, part: _Admitted, errors: list[KafkaError]) -> PartitionProduceResponse:
        try:
            if isinstance(part.outcome, KafkaError):
                raise part.outcome
            appended = await (asyncio.shield(part.outcome) if self._detached else part.outcome)
        except KafkaError as error:
            errors.append(error)
            return _refused(part.index, error)
        except Exception:  # As in `_admit`.
            _log.exception("a batch for partition %d failed", part.index)
            errors.append(_defect())
            return _refused(part.index, _defect())
        return _stored(part.index, appended)


def _admit_topic(context: Context, request: ProduceRequest, data: TopicProduceData) -> list[_Admitted]:
    try:
        if request.transactional_id is not None:
            raise refusal(f"the transactional id {request.transactional_id!r}")
        topic = find_topic(context, data.name, data.topic_id)
    except KafkaError as error:
        return [_Admitted(part.index, error) for part in data.partition_data]
    return [_Admitted(part.index, _admit(context, request, topic, part)) for part in data.partition_data]


def _admit(
    context: Context, request: ProduceRequest, topic: Topic, data: PartitionProduceData
) -> asyncio.Future[Appended] | KafkaError:
    try:
        partition = find_partition(context, topic, data.index)
        batch = _checked(context.api_version, data.records)
        if request.acks not in {-1, 0, 1}:
            raise KafkaError(ErrorCode.invalid_required_acks, f"acks is {request.acks}, not -1, 0 or 1")
        return partition.append(
            batch,
            source=context.source,
            timeout_s=max(request.timeout.total_seconds(), _SHORTEST_TIMEOUT_S),
        )
    except KafkaError as error:
        return error
    except Exception:  # A defect of ours in one partition must not take the answers of the others along.
        _log.exception("producing to %s/%d failed", topic.name, data.index)
        return _defect()


def _checked(version: int, batch: bytes | None) -> bytes:
    """What Kafka checks of a batch before it looks at acks (`ProduceRequest.validateRecords`)."""
    header = records.parse(batch)
    assert batch is not None
    if header.codec == records.CODEC_ZSTD and version < _FIRST_VERSION_WITH_ZSTD:
        raise KafkaError(
            ErrorCode.unsupported_compression_type,
            f"zstd needs Produce v{_FIRST_VERSION_WITH_ZSTD} or later, this request is v{version}",
        )
    return batch


def _stored(index: int, appended: Appended) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index,
        base_offset=appended.base_offset,
        log_append_time=_time(appended.log_append_time_ms),
        log_start_offset=appended.log_start_offset,
    )


def _refused(index: int, error: KafkaError) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index, error_code=error.code, error_message=error.message, current_leader=current_leader(error)
    )


def _defect() -> KafkaError:
    return KafkaError(ErrorCode.unknown_server_error, "an unexpected error, see the server's log")


def _time(time_ms: int) -> datetime | None:
    return None if time_ms < 0 else datetime.fromtimestamp(time_ms / 1000, UTC)


def _hang_up_on(errors: list[KafkaError]) -> None:
    """With acks=0 hanging up is the only way to tell the producer."""
    if errors:
        raise ProtocolError(f"a batch sent with acks=0 was not stored: {errors[0].message}")


API = api(
    key=0,
    name="Produce",
    versions=range(3, 14),
    advertised=range(14),
    request=ProduceRequest,
    response=ProduceResponse,
    handle=handle,
)
