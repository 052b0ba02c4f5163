"""InitProducerId (key 22), v0-v6: an id for an idempotent producer.

v2 flexible · v3 the producer may name its id and epoch, to have the epoch raised (KIP-360) · v6 two-phase
commit.

An id is 62 random bits, so that nodes need no coordination for never giving out the same one twice. A
producer that names its id gets it back with the next epoch, which fences what it sent before; a new id where
the epoch is used up. Only one of id and epoch given: 42.

Differs: a transactional id gets 53, see `transactions.refusal`. Without one Kafka ignores a named id and
gives a new one; raising the epoch keeps one producer one entry in every partition's table.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.handlers import transactions
from kov.handlers.base import Context, api
from kov.handlers.seldom import Seldom

_log: Final = logging.getLogger(__name__)
_seldom: Final = Seldom(every_s=600)
_ID_BITS: Final = 62
_NONE: Final = -1
_LAST_EPOCH: Final = 2**15 - 2  # Kafka keeps 2**15 - 1 for fencing


@dataclass(frozen=True, slots=True, kw_only=True)
class InitProducerIdRequest:
    transactional_id: str | None
    transaction_timeout: timedelta
    producer_id: int = _NONE
    producer_epoch: int = _NONE
    enable2_pc: bool = False
    keep_prepared_txn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InitProducerIdResponse:
    error_code: ErrorCode = ErrorCode.none
    producer_id: int = _NONE
    producer_epoch: int = _NONE
    ongoing_txn_producer_id: int = _NONE
    ongoing_txn_producer_epoch: int = _NONE
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: InitProducerIdRequest) -> InitProducerIdResponse:
    if request.transactional_id is not None:
        error = transactions.refusal(f"the transactional id {request.transactional_id!r}")
        if _seldom.due(request.transactional_id):
            _log.warning("%r: %s", context.source, error.message)
        return InitProducerIdResponse(error_code=error.code)
    known_id, known_epoch = request.producer_id, request.producer_epoch
    if (known_id == _NONE) != (known_epoch == _NONE):
        return InitProducerIdResponse(error_code=ErrorCode.invalid_request)
    if known_id < 0 or not 0 <= known_epoch < _LAST_EPOCH:
        return InitProducerIdResponse(producer_id=secrets.randbits(_ID_BITS), producer_epoch=0)
    return InitProducerIdResponse(producer_id=known_id, producer_epoch=known_epoch + 1)


API = api(
    key=22,
    name="InitProducerId",
    versions=range(7),
    request=InitProducerIdRequest,
    response=InitProducerIdResponse,
    handle=handle,
)
