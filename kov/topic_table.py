"""Every topic this node knows, by name and by uuid: those of the mapping file and those of the catalog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from kov.catalog import CatalogError, CreationFailed
from kov.topics import Topic, invalid_name
from varlog_client.errors import VarlogError
from varlog_client.types import TopicId

_log = logging.getLogger(__name__)

Create = Callable[[str], Awaitable[Topic]]
Watch = Callable[[Sequence[Topic]], None]

_MAX_CREATIONS_UNDER_WAY: Final = 64


class Topics:
    """Nothing is created before `create_with`. Single-threaded, as the event loop is."""

    def __init__(self, mapped: Iterable[Topic] = ()) -> None:
        self._mapped = {topic.name: topic for topic in mapped}
        self._create: Create | None = None
        self._cataloged: Sequence[Topic] = ()
        self._by_name = dict(self._mapped)
        self._by_uuid = {topic.uuid: topic for topic in self._mapped.values()}
        self._sorted: tuple[Topic, ...] | None = None
        self._creations: dict[str, asyncio.Task[None]] = {}
        self._watch: Watch | None = None

    def create_with(self, create: Create) -> None:
        """From now on topics that are asked for and don't exist are made, by `create`."""
        self._create = create

    def watch_with(self, watch: Watch) -> None:
        """From now on `watch` gets all topics whenever they have changed, before anybody else sees them."""
        self._watch = watch

    @property
    def auto_create(self) -> bool:
        return self._create is not None

    def get(self, name: str) -> Topic | None:
        return self._by_name.get(name)

    def colliding(self, name: str) -> str | None:
        """A topic whose name differs from `name` in nothing but '.' for '_': metrics confuse the two."""
        if "." not in name and "_" not in name:
            return None
        plain = name.replace(".", "_")
        same = (other for other in self._by_name if other != name and other.replace(".", "_") == plain)
        return next(same, None)

    def by_uuid(self, uuid: UUID) -> Topic | None:
        return self._by_uuid.get(uuid)

    def all(self) -> Sequence[Topic]:
        """Sorted by name."""
        if self._sorted is None:
            self._sorted = tuple(self._by_name[name] for name in sorted(self._by_name))
        return self._sorted

    def doubly_named(self, cataloged: Iterable[Topic]) -> list[str]:
        """The names that both the mapping file and the catalog use, which only people can sort out."""
        return sorted(topic.name for topic in cataloged if topic.name in self._mapped)

    def replace_cataloged(self, cataloged: Iterable[Topic]) -> None:
        """The catalog's topics are these now. A name that the mapping file uses too stays the file's."""
        self._cataloged = tuple(cataloged)
        if names := self.doubly_named(self._cataloged):
            _log.error(
                "named in the mapping file and in the catalog, the file's are served: %s", ", ".join(names)
            )
        self._changed()

    def replace_mapped(self, mapped: Iterable[Topic]) -> None:
        """The mapping file's topics are these now; names of its own, not the catalog's."""
        self._mapped = {topic.name: topic for topic in mapped}
        self._changed()

    def mapped_ids(self) -> set[TopicId]:
        """The Varlog topics that the mapping file names."""
        return {topic.topic_id for topic in self._mapped.values()}

    def _changed(self) -> None:
        self._by_name = {topic.name: topic for topic in self._cataloged} | self._mapped
        self._by_uuid = {topic.uuid: topic for topic in self._by_name.values()}
        self._sorted = None
        if self._watch is not None:
            self._watch(self.all())

    def start_creating(self, name: str) -> None:
        """Create the topic in the background unless that is under way or there is one; returns at once.

        A name that Kafka would refuse is not created. A creation that fails is logged and may be asked for
        again; so may one that found too many others under way.
        """
        if self._create is None or name in self._by_name or name in self._creations:
            return
        if invalid_name(name) is not None or len(self._creations) >= _MAX_CREATIONS_UNDER_WAY:
            return
        creation = asyncio.create_task(self._run(name, self._create), name=f"create topic {name}")
        self._creations[name] = creation

    async def close(self, timeout_s: float) -> None:
        """Wait for the creations under way, then cancel what is left. Idempotent."""
        self._create = None
        creations = list(self._creations.values())
        if not creations:
            return
        _, late = await asyncio.wait(creations, timeout=timeout_s)
        for creation in late:
            creation.cancel()
        if late:
            await asyncio.wait(late)

    async def _run(self, name: str, create: Create) -> None:
        try:
            topic = await create(name)
            _log.info("created topic %s with %d partitions", name, len(topic.log_streams))
        except (CreationFailed, CatalogError, VarlogError) as error:
            _log.error("topic %s could not be created: %s", name, error)
        except Exception:
            # A defect of ours must not be lost in a task that nobody awaits.
            _log.exception("topic %s could not be created", name)
        finally:
            del self._creations[name]
