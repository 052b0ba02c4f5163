"""InitProducerId (key 22), v0-v5: an id for an idempotent producer.

v2 flexible · v3 the producer may name its id and epoch, to have the epoch raised (KIP-360). v6 (two-phase
commit) is no stable version in Kafka 4.4, which doesn't list it either.

An id is 62 random bits, so that nodes need no coordination for never giving out the same one twice. As in
Kafka, a producer without a transactional id gets a new one whether it names an id or not; only one of id and
epoch given is 42.

Differs: a transactional id gets 53, see `transactions.refusal`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class InitProducerIdRequest:
    transactional_id: str | None
    transaction_timeout: timedelta
    producer_id: int = _NONE
    producer_epoch: int = _NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class InitProducerIdResponse:
    error_code: ErrorCode = ErrorCode.none
    producer_id: int = _NONE
    producer_epoch: int = _NONE
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: InitProducerIdRequest) -> InitProducerIdResponse:
    if request.transactional_id is not None:
        error = transactions.refusal(f"the transactional id {request.transactional_id!r}")
        if _seldom.due(request.transactional_id):
            _log.warning("%r: %s", context.source, error.message)
        return InitProducerIdResponse(error_code=error.code)
    if (request.producer_id == _NONE) != (request.producer_epoch == _NONE):
        return InitProducerIdResponse(error_code=ErrorCode.invalid_request)
    return InitProducerIdResponse(producer_id=secrets.randbits(_ID_BITS), producer_epoch=0)


API = api(
    key=22,
    name="InitProducerId",
    versions=range(6),
    request=InitProducerIdRequest,
    response=InitProducerIdResponse,
    handle=handle,
)
