"""Varlog topics and log streams, made and removed through the cluster's admin server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from varlog_client import Admin
from varlog_client.errors import NotFound, Unavailable, VarlogError
from varlog_client.types import LogStreamId, LogStreamStatus, TopicId

_log: Final = logging.getLogger(__name__)
_SEAL_ATTEMPTS: Final = 20
_SEAL_PAUSE_S: Final = 0.5
_REMOVE_ATTEMPTS: Final = 3
_REMOVE_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    topic_id: TopicId
    log_streams: tuple[LogStreamId, ...]


async def make_topic(admin: Admin, partitions: int) -> Made:
    """A Varlog topic with running log streams; all of them, or an error and none."""
    topic_id = (await admin.add_topic()).topic_id
    try:
        return Made(topic_id=topic_id, log_streams=await make_log_streams(admin, topic_id, partitions))
    except VarlogError:
        await remove_topic(admin, topic_id)
        raise


async def make_log_streams(admin: Admin, topic_id: TopicId, count: int) -> tuple[LogStreamId, ...]:
    """Running log streams, made at the same time; all of them, or an error and none."""
    results = await asyncio.gather(
        *(admin.add_log_stream(topic_id) for _ in range(count)), return_exceptions=True
    )
    made = sorted(each.log_stream_id for each in results if not isinstance(each, BaseException))
    for result in results:
        if isinstance(result, BaseException):
            await remove_log_streams(admin, topic_id, made)
            raise result
    return tuple(made)


async def remove_topic(admin: Admin, topic_id: TopicId) -> bool:
    """Removes it with its log streams; again is no error. False, and logged: that failed, several times."""
    try:
        await _unregister(admin, topic_id)
    except NotFound:
        pass
    except VarlogError as error:
        _log.error(
            "Varlog topic %d belongs to nothing and could not be removed: %s; "
            "`kov topics --orphans --remove` does it later",
            topic_id,
            error,
        )
        return False
    return True


async def _unregister(admin: Admin, topic_id: TopicId) -> None:
    """Who doesn't answer in time may do it all the same: then the next attempt finds nothing to remove."""
    for _ in range(_REMOVE_ATTEMPTS - 1):
        with contextlib.suppress(Unavailable):
            await admin.unregister_topic(topic_id)
            return
        await asyncio.sleep(_REMOVE_PAUSE_S)
    await admin.unregister_topic(topic_id)


async def remove_log_streams(admin: Admin, topic_id: TopicId, log_streams: Iterable[LogStreamId]) -> None:
    """Seals and removes them; again is no error, and what fails is logged."""
    for log_stream in log_streams:
        try:
            await _seal(admin, topic_id, log_stream)
            await admin.unregister_log_stream(topic_id, log_stream)
        except NotFound:
            pass
        except VarlogError as error:
            _log.error(
                "log stream %d of Varlog topic %d belongs to nothing and could not be removed: %s",
                log_stream,
                topic_id,
                error,
            )


async def _seal(admin: Admin, topic_id: TopicId, log_stream: LogStreamId) -> None:
    """A replica may take a while; the cluster refuses to remove a log stream that isn't sealed."""
    for _ in range(_SEAL_ATTEMPTS):
        result = await admin.seal(topic_id, log_stream)
        if all(replica.status is LogStreamStatus.SEALED for replica in result.replicas):
            return
        await asyncio.sleep(_SEAL_PAUSE_S)
