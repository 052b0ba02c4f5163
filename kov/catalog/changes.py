"""Changing and deleting topics of the catalog.

Every entry is made against the version of the name that its maker saw, so of several at once the first one
wins and the others are void: their makers look again. An append in doubt is sent again as it is until one of
the copies is confirmed; the version makes all but the first of them void.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from kov.catalog import messages
from kov.catalog.catalog import Catalog
from kov.catalog.fold import CatalogTopic
from kov.catalog.making import make_log_streams, remove_log_streams, remove_topic
from kov.topics import Topic
from varlog_client import Admin
from varlog_client.errors import AppendUnknown, VarlogError
from varlog_client.types import LogStreamId, TopicId

_log: Final = logging.getLogger(__name__)

Fence = Callable[[Topic], Awaitable[None]]
"""Fences every partition of a topic for nobody: what was acknowledged before stays, nothing is after it."""

_SETTLE_TIMEOUT_S: Final = 60.0
_PAUSE_S: Final = 0.2


class ChangeLost(Exception):
    """Somebody else changed the topic first: look at what it is now, and decide anew."""


class ChangeInDoubt(Exception):
    """Whether the change was made couldn't be found out in time; asking again is safe."""


class Changer:
    """Changes the living topics of `catalog`.

    The verbs raise ChangeLost, ChangeInDoubt, CatalogError and VarlogError.
    `kept` says which Varlog topics are never removed, whatever the catalog says: the mapping file's.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        fence: Fence,
        kept: Callable[[], Collection[TopicId]] = frozenset,
        admin_timeout_s: float = 5.0,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._catalog = catalog
        self._fence = fence
        self._kept = kept
        self._admin_timeout_s = admin_timeout_s
        self._now_ms = now_ms

    async def configure(self, topic: CatalogTopic, config: Mapping[str, str]) -> None:
        """`config`, the whole of it, is the topic's when this returns."""
        entry = messages.configured(topic, config, time_ms=self._now_ms())
        await self._settle(topic, entry)
        now = self._catalog.fold.topic(topic.name)
        if now is None or now.uuid != topic.uuid or dict(now.config) != dict(config):
            raise ChangeLost(topic.name)

    async def add_partitions(self, topic: CatalogTopic, count: int, admin_address: str) -> None:
        """The topic has `count` partitions more, which can be produced to. Lost: what was made is removed."""
        async with await Admin.connect(admin_address, timeout_s=self._admin_timeout_s) as admin:
            made = await make_log_streams(admin, topic.topic_id, count)
            entry = messages.partitions_added(topic, made, time_ms=self._now_ms())
            try:
                await self._settle(topic, entry)
            except ChangeInDoubt:
                _log.error("topic %s: whether log streams %s are partitions is not known", topic.name, made)
                raise
            except VarlogError:
                await remove_log_streams(admin, topic.topic_id, made)
                raise
            if not self._owns(topic, made):
                await remove_log_streams(admin, topic.topic_id, made)
                raise ChangeLost(topic.name)

    async def delete(self, topic: CatalogTopic, admin_address: str) -> None:
        """There is no such topic any more when this returns, nor will anything be acknowledged in it.

        Its partitions are fenced first, so that a node that doesn't follow the catalog stops acknowledging.
        Killed before the entry is in the log, the topic lives on; after it, a Varlog topic that nothing names
        may be left. So it is where the admin server can't be reached at last: that is logged, no error.
        """
        await self._fence_unless_gone(topic)
        await self._settle(topic, messages.deleted(topic, time_ms=self._now_ms()))
        now = self._catalog.fold.topic(topic.name)
        if now is not None and now.uuid == topic.uuid:
            raise ChangeLost(topic.name)
        await self._remove(topic.topic_id, admin_address)

    async def _fence_unless_gone(self, topic: CatalogTopic) -> None:
        """Raises ChangeLost where somebody else deletes it meanwhile: appends to what is removed hang."""

        def is_gone() -> bool:
            return not self._catalog.owns(topic.name, topic.uuid)

        fencing = asyncio.ensure_future(self._fence(messages.as_topic(topic)))
        gone = asyncio.ensure_future(self._catalog.until(is_gone))
        try:
            await asyncio.wait([fencing, gone], return_when=asyncio.FIRST_COMPLETED)
            if not fencing.done() and is_gone():
                raise ChangeLost(topic.name)
            await fencing
        finally:
            for task in (fencing, gone):
                task.cancel()
            await asyncio.gather(fencing, gone, return_exceptions=True)

    async def _settle(self, topic: CatalogTopic, entry: bytes) -> None:
        """Returns when one copy of `entry` is in the log and folded. VarlogError: certainly none is."""
        doubtful = False
        deadline = asyncio.get_running_loop().time() + _SETTLE_TIMEOUT_S
        while (error := await self._append(entry)) is not None:
            doubtful = doubtful or isinstance(error, AppendUnknown)
            if not doubtful:
                raise error
            _log.warning("topic %s: the catalog did not confirm a change: %s", topic.name, error)
            if asyncio.get_running_loop().time() > deadline:
                raise ChangeInDoubt(
                    f"topic {topic.name}: whether it was changed was not found out in {_SETTLE_TIMEOUT_S:g} s"
                )
            await asyncio.sleep(_PAUSE_S)

    async def _append(self, entry: bytes) -> VarlogError | None:
        try:
            await self._catalog.until_applied(await self._catalog.writer.append(entry))
        except VarlogError as error:
            return error
        return None

    def _owns(self, topic: CatalogTopic, log_streams: Collection[LogStreamId]) -> bool:
        return all(self._catalog.fold.owner(each) == topic.uuid for each in log_streams)

    async def _remove(self, topic_id: TopicId, admin_address: str) -> None:
        living = {topic.topic_id for topic in self._catalog.fold.topics}
        if topic_id in {*self._kept(), self._catalog.topic_id} | living:
            return
        try:
            async with await Admin.connect(admin_address, timeout_s=self._admin_timeout_s) as admin:
                await remove_topic(admin, topic_id)
        except VarlogError as error:
            _log.error("Varlog topic %d belongs to nothing and could not be removed: %s", topic_id, error)
