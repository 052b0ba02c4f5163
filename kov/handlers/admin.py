"""What the admin APIs have in common: one answer per thing asked for, whatever happens to the others."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError

_log: Final = logging.getLogger(__name__)

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)

_UNSAID_TIMEOUT_S: Final = 30.0


def timeout_s(timeout: timedelta) -> float:
    """How long the client lets us work. Many send 0 and mean that they don't care."""
    seconds = timeout.total_seconds()
    return seconds if seconds > 0 else _UNSAID_TIMEOUT_S


def twice(names: Iterable[H]) -> set[H]:
    """What was asked for more than once."""
    return {name for name, times in Counter(names).items() if times > 1}


async def each(items: Sequence[T], act: Callable[[T], Awaitable[None]]) -> list[KafkaError | None]:
    """Acts on all items at once; what came of each, in order: None where it went well."""
    return await asyncio.gather(*(_outcome(item, act) for item in items))


async def _outcome(item: T, act: Callable[[T], Awaitable[None]]) -> KafkaError | None:
    try:
        await act(item)
    except KafkaError as error:
        return error
    except Exception:  # A defect of ours in one item must not take the answers of the others along.
        _log.exception("%r failed", item)
        return KafkaError(ErrorCode.unknown_server_error, "an unexpected error, see the server's log")
    return None


def code(error: KafkaError | None) -> ErrorCode:
    return ErrorCode.none if error is None else error.code


def text(error: KafkaError | None) -> str | None:
    return None if error is None else error.message
