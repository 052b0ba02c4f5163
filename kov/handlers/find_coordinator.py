"""FindCoordinator (key 10), v0-v6: who coordinates a group or a transactional id. Here, truthfully, nobody.

v1 key type, error message · v3 flexible · v4 several keys · v5 none · v6 share groups.

Why it is served at all: librdkafka takes a server that doesn't list it for one too old for the message
format, even when it only produces. Groups and share groups get 30 (GROUP_AUTHORIZATION_FAILED), a
transactional id 53 (`transactions.refusal`), any other key type 42, each with a text that says why.

15, which Kafka gives while it has no coordinator, is retried by every client for ever. 30 is retried by none:
the Java, aiokafka and kafka-python consumers raise it from the call that needed the group, librdkafka hands
it to the application with the text.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.handlers import transactions
from kov.handlers.base import Context, api
from kov.handlers.seldom import Seldom

_log: Final = logging.getLogger(__name__)
_FIRST_VERSION_WITH_SEVERAL_KEYS: Final = 4
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
    errors = [_refusal(request.key_type, key) for key in keys]
    for key, error in zip(keys, errors, strict=True):
        if _seldom.due((request.key_type, key)):
            _log.warning("%r: %s", context.source, error.message)
    return FindCoordinatorResponse(
        coordinators=tuple(
            Coordinator(key=key, error_code=error.code, error_message=error.message)
            for key, error in zip(keys, errors, strict=True)
        ),
        error_code=errors[0].code if errors else ErrorCode.none,
        error_message=errors[0].message if errors else None,
    )


def _refusal(key_type: int, key: str) -> KafkaError:
    match key_type:
        case KeyType.TRANSACTION:
            return transactions.refusal(f"the transactional id {key!r}")
        case KeyType.GROUP | KeyType.SHARE:
            return KafkaError(
                ErrorCode.group_authorization_failed,
                f"the group {key!r} can't be used: this server doesn't serve consumer groups; "
                "a consumer with assigned partitions and no group works",
            )
    return KafkaError(ErrorCode.invalid_request, f"there is no coordinator of type {key_type}")


API = api(
    key=10,
    name="FindCoordinator",
    versions=range(7),
    request=FindCoordinatorRequest,
    response=FindCoordinatorResponse,
    handle=handle,
)
