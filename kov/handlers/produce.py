"""Produce (key 0), v3-v13: one record batch per partition into the log.

v5 log_start_offset · v7 zstd · v8 error_message · v9 flexible · v10 current leader beside code 6 (KIP-951)
· v13 topics by id. v0-v2 are advertised, but a request of them closes the connection, as on Kafka 4.

Batches take their places in the order of arrival, before `handle` returns. acks=1 and acks=all are answered
when committed, within the request's timeout; acks=0 gets no answer, and any error closes the connection.
Every partition asked for is in the answer, in the request's order. Order of checks: transactional batches,
topic and partition, form of the batch, acks, leader, and then what the partition checks.

Differs: transactions aren't served. Where any batch is transactional, every partition gets 53, the same as
from InitProducerId and FindCoordinator, where a client meets it first. As in Kafka, a transactional id alone
changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError, ProtocolError, RecordsRefused
from kov.handlers.base import Context, Pending, api
from kov.handlers.lookup import (
    NO_LEADER,
    LeaderIdAndEpoch,
    NodeEndpoint,
    current_leader,
    endpoints,
)
from kov.handlers.producing import Admitted, admit, defect

if TYPE_CHECKING:
    from kov.partition.partition import Appended

_log: Final = logging.getLogger(__name__)
# Refused by these, Kafka's log tells where it begins; refused by others, or before it was asked, it doesn't.
_TELLS_LOG_START: Final = frozenset(
    {
        ErrorCode.unknown_server_error,
        ErrorCode.invalid_timestamp,
        ErrorCode.out_of_order_sequence_number,
        ErrorCode.invalid_producer_epoch,
        ErrorCode.invalid_record,
    }
)


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
    log_append_time: int = -1
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


def handle(context: Context, request: ProduceRequest) -> Pending[ProduceResponse | None]:
    return _Answer(context, request, admit(context, request))


class _Answer:
    """The answer to one request. Ending its wait, or closing it, tells the partitions that nobody waits.

    Not so with acks=0: the producer may be gone long before its batches are stored.
    """

    def __init__(self, context: Context, request: ProduceRequest, admitted: list[list[Admitted]]) -> None:
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
                if not parts:
                    continue
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

    async def _settle(self, part: Admitted, errors: list[KafkaError]) -> PartitionProduceResponse:
        try:
            if isinstance(part.outcome, KafkaError):
                errors.append(part.outcome)
                return _refused(part, part.outcome)
            appended = await (asyncio.shield(part.outcome) if self._detached else part.outcome)
        except KafkaError as error:
            errors.append(error.bare())
            return _refused(part, error)
        except Exception:  # As in `producing.admit`.
            _log.exception("a batch for partition %d failed", part.index)
            errors.append(defect())
            return _refused(part, defect())
        return _stored(part.index, appended)


def _stored(index: int, appended: Appended) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index,
        base_offset=appended.base_offset,
        log_append_time=appended.log_append_time_ms,
        log_start_offset=appended.log_start_offset,
    )


def _refused(part: Admitted, error: KafkaError) -> PartitionProduceResponse:
    bad = error.bad if isinstance(error, RecordsRefused) else ()
    return PartitionProduceResponse(
        index=part.index,
        error_code=error.code,
        log_start_offset=_log_start(part, error),
        record_errors=tuple(
            RecordError(batch_index=each.index, batch_index_error_message=each.message) for each in bad
        ),
        error_message=error.message,
        current_leader=current_leader(error),
    )


def _log_start(part: Admitted, error: KafkaError) -> int:
    return -1 if part.partition is None or error.code not in _TELLS_LOG_START else part.partition.start_offset


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
