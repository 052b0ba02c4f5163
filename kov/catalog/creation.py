"""Making a topic: Varlog topic and log streams first, then the catalog entry that names them.

The first creation of a name wins. Who lost, or doesn't know, abandons its uuid, after which its entry can't
take effect any more however late it lands, and only then removes the log streams that nothing names.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from uuid import UUID, uuid4

from kov.catalog import messages
from kov.catalog.catalog import Catalog, CatalogError
from kov.catalog.making import Made, make_topic, remove_topic
from kov.topics import Topic
from varlog_client import Admin
from varlog_client.errors import AppendUnknown, VarlogError

_log = logging.getLogger(__name__)

_ABANDON_TIMEOUT_S = 60.0
_PAUSE_S = 0.5


class CreationFailed(Exception):
    """No topic of this name exists because of this creation; asking again is safe."""


class Creator:
    """Creates topics in `catalog` through the cluster's admin server, connected to only meanwhile."""

    def __init__(
        self,
        catalog: Catalog,
        admin_address: str,
        *,
        admin_timeout_s: float = 5.0,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._catalog = catalog
        self._admin_address = admin_address
        self._admin_timeout_s = admin_timeout_s
        self._now_ms = now_ms

    async def create(
        self, name: str, partitions: int, config: Mapping[str, str], *, uuid: UUID | None = None
    ) -> Topic:
        """The topic of this name, which can be produced to: ours, or the one that was there or came first.

        Ours has `uuid`, where the caller drew one; it must never have been used.

        Takes milliseconds on the embedded store, 5 to 15 s on a cluster. Raises CreationFailed, CatalogError
        and VarlogError; then what was made is removed again, or logged where that failed. Cancelling it may
        leave a Varlog topic that nothing names.
        """
        if existing := self._catalog.topic(name):
            return existing
        admin = await Admin.connect(self._admin_address, timeout_s=self._admin_timeout_s)
        try:
            made = await make_topic(admin, partitions)
            await self._decide(name, uuid or uuid4(), made, config)
            await self._remove_if_unused(admin, made)
        finally:
            await admin.close()
        if topic := self._catalog.topic(name):
            return topic
        raise CreationFailed(f"topic {name}: the catalog took no entry, so the creation was given up")

    async def _decide(self, name: str, uuid: UUID, made: Made, config: Mapping[str, str]) -> None:
        """Returns when it is certain whether `made` belongs to the topic."""
        try:
            in_the_log = await self._append_created(name, uuid, made, config)
            if in_the_log and not self._catalog.owns(name, uuid):
                await self._abandon(name, uuid)
        except (CatalogError, CreationFailed):
            _log.error("Varlog topic %d was made for topic %s and may belong to nothing", made.topic_id, name)
            raise

    async def _append_created(self, name: str, uuid: UUID, made: Made, config: Mapping[str, str]) -> bool:
        """False: the entry is certainly not in the log and never will be."""
        entry = messages.created(
            uuid=uuid,
            name=name,
            against_version=self._catalog.fold.version(name),
            time_ms=self._now_ms(),
            topic_id=made.topic_id,
            log_streams=made.log_streams,
            config=config,
        )
        try:
            await self._catalog.until_applied(await self._catalog.writer.append(entry))
        except VarlogError as error:
            _log.warning("topic %s: the catalog did not take its creation: %s", name, error)
            return isinstance(error, AppendUnknown)
        return True

    async def _abandon(self, name: str, uuid: UUID) -> None:
        """Returns when the fold has decided about `uuid`, one way or the other."""
        try:
            async with asyncio.timeout(_ABANDON_TIMEOUT_S):
                while not self._catalog.fold.spent(uuid):
                    await self._append_abandoned(name, uuid)
        except TimeoutError:
            raise CreationFailed(
                f"topic {name}: whether it was created could not be found out in {_ABANDON_TIMEOUT_S:g} s"
            ) from None

    async def _append_abandoned(self, name: str, uuid: UUID) -> None:
        entry = messages.abandoned(
            uuid=uuid,
            name=name,
            against_version=self._catalog.fold.version(name),
            time_ms=self._now_ms(),
        )
        try:
            await self._catalog.until_applied(await self._catalog.writer.append(entry))
        except VarlogError as error:
            _log.info("topic %s: the creation could not be abandoned yet: %s", name, error)
            await asyncio.sleep(_PAUSE_S)

    async def _remove_if_unused(self, admin: Admin, made: Made) -> None:
        if all(self._catalog.fold.owner(each) is None for each in made.log_streams):
            await remove_topic(admin, made.topic_id)
