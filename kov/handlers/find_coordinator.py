"""FindCoordinator (key 10), v0-v6: who coordinates a group or a transactional id.

v1 key type, error message · v3 flexible · v4 several keys · v5 none · v6 share groups.

Why it is served at all: librdkafka takes a server that doesn't list it for one too old for the message
format, even when it only produces. Of a group the coordinator is the node that was asked, which refuses what
a member then asks for (`groups` says why not here). A transactional id gets 53 (`transactions.refusal`), the
state of a share group 30, any other key type 42, each with a text that says why.

15, which Kafka gives while it has no coordinator, is retried by every client for ever.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import groups, transactions
from kov.handlers.base import Context, api
from kov.handlers.seldom import Seldom

_log: Final = logging.getLogger(__name__)
_FIRST_VERSION_WITH_SEVERAL_KEYS: Final = 4
_NO_ERROR: Final = "NONE"  # as Kafka
_seldom: Final = Seldom(every_s=600)  # librdkafka asks every second


class KeyType(IntEnum):
    GROUP = 0
    TRANSACTION = 1
    SHARE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FindCoordinatorRequest:
    key: str = ""
    key_type: int = KeyType.GROUP
    coordinator_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinator:
    key: str
    error_code: ErrorCode
    error_message: str | None
    node_id: int = -1
    host: str = ""
    port: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FindCoordinatorResponse:
    """`coordinators` answers v4 and later, the other fields the one key of earlier versions."""

    coordinators: tuple[Coordinator, ...]
    error_code: ErrorCode
    error_message: str | None
    node_id: int = -1
    host: str = ""
    port: int = -1
    throttle_time: timedelta = timedelta(0)


async def handle(context: Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    batched = context.api_version >= _FIRST_VERSION_WITH_SEVERAL_KEYS
    keys = request.coordinator_keys if batched else (request.key,)
    found = [_coordinator(context, request.key_type, key) for key in keys]
    first = found[0] if found else Coordinator(key="", error_code=ErrorCode.none, error_message="")
    return FindCoordinatorResponse(
        coordinators=tuple(found),
        error_code=first.error_code,
        error_message=first.error_message,
        node_id=first.node_id,
        host=first.host,
        port=first.port,
    )


def _coordinator(context: Context, key_type: int, key: str) -> Coordinator:
    if key_type == KeyType.GROUP:
        return _this_node(context, key)
    error = _refusal(key_type, key)
    if _seldom.due((key_type, key)):
        _log.warning("%r: %s", context.source, error.message)
    return Coordinator(key=key, error_code=error.code, error_message=error.message)


def _this_node(context: Context, key: str) -> Coordinator:
    broker = context.broker
    itself = next(node for node in broker.nodes(context.listener) if node.node_id == broker.node_id)
    return Coordinator(
        key=key,
        error_code=ErrorCode.none,
        error_message="" if context.api_version >= _FIRST_VERSION_WITH_SEVERAL_KEYS else _NO_ERROR,
        node_id=itself.node_id,
        host=itself.host,
        port=itself.port,
    )


def _refusal(key_type: int, key: str) -> KafkaError:
    match key_type:
        case KeyType.TRANSACTION:
            return transactions.refusal(f"the transactional id {key!r}")
        case KeyType.SHARE:
            return KafkaError(groups.REFUSED, groups.text(key))
    return KafkaError(ErrorCode.invalid_request, f"there is no coordinator of type {key_type}")


API = api(
    key=10,
    name="FindCoordinator",
    versions=range(7),
    request=FindCoordinatorRequest,
    response=FindCoordinatorResponse,
    handle=handle,
)
