"""Making, changing and deleting topics at run time, in Kafka's terms: what the admin APIs are made of.

Any node may do it: what decides is the catalog. Topics of the mapping file are the file's alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import uuid4

from kio.schema.errors import ErrorCode

from kov.catalog import (
    Catalog,
    CatalogError,
    CatalogTopic,
    ChangeInDoubt,
    ChangeLost,
    Changer,
    CreationFailed,
    Creator,
)
from kov.errors import KafkaError
from kov.topic_table import Topics
from kov.topics import Origin, Topic
from varlog_client.errors import VarlogError

_log: Final = logging.getLogger(__name__)

T = TypeVar("T")

_TRIES: Final = 10
EditConfig = Callable[[Mapping[str, str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changeable:
    """Where topics made at run time are kept and by what they are made. `admin`: Varlog's admin server."""

    catalog: Catalog
    changer: Changer
    creator: Creator
    admin: str


class TopicAdmin:
    """`source` is the mapping file's name, for people.

    The verbs raise `KafkaError`. A verb whose `timeout_s` is over is answered 7 and goes on, and so does one
    whose caller is cancelled.
    """

    def __init__(
        self,
        topics: Topics,
        *,
        source: str,
        catalog: Changeable | None = None,
        why_not: str = "",
        default_partitions: int = 1,
        max_replicas: Callable[[], int] = lambda: 1,
    ) -> None:
        """Without `catalog` nothing can be changed, and `why_not` says what to do about it.

        `max_replicas`: how many storage nodes there are.
        """
        self.default_partitions = default_partitions
        self._topics = topics
        self._source = source
        self._catalog = catalog
        self._why_not = why_not
        self._max_replicas = max_replicas
        self._under_way: set[asyncio.Task[object]] = set()

    @property
    def max_replicas(self) -> int:
        """The largest replication factor that somebody may ask for: one replica per storage node."""
        return max(1, self._max_replicas())

    def check_creatable(self, name: str) -> None:
        """Whether topics can be made at all."""
        if self._catalog is None:
            raise KafkaError(
                ErrorCode.policy_violation, f"topic {name!r} can't be made at run time: {self._why_not}"
            )

    def check_changeable(self, topic: Topic, instead: str) -> None:
        """Whether the catalog owns the topic; `instead` is what to do in the mapping file."""
        if topic.origin is Origin.FILE:
            raise KafkaError(
                ErrorCode.policy_violation,
                f"topic {topic.name!r} belongs to the mapping file, {topic.where or self._source}: {instead}",
            )
        self.check_creatable(topic.name)

    def check_partitions_addable(self, topic: Topic) -> None:
        """What `add_partitions` checks before it begins."""
        self.check_changeable(topic, _more_partitions(topic))

    def check_configurable(self, topic: Topic) -> None:
        """What `configure` checks before it begins."""
        self.check_changeable(topic, _other_config(topic))

    async def create(self, name: str, partitions: int, config: Mapping[str, str], timeout_s: float) -> Topic:
        """The new topic, which can be produced to. 36 where somebody made one of this name first."""
        self.check_creatable(name)
        assert self._catalog is not None
        uuid = uuid4()
        creation = self._catalog.creator.create(name, partitions, config, uuid=uuid)
        topic = await self._within(creation, timeout_s, f"create topic {name}")
        if topic.uuid != uuid:
            raise already_exists(name)
        _log.info("created topic %s with %d partitions", name, partitions)
        return topic

    async def delete(self, topic: Topic, timeout_s: float) -> None:
        """When this returns nothing is acknowledged in the topic any more, and it doesn't exist here."""

        async def delete(catalog: Changeable, current: CatalogTopic) -> None:
            await catalog.changer.delete(current, catalog.admin)
            _log.info("deleted topic %s", topic.name)

        await self._change(topic, delete, timeout_s, f"take topics.{topic.name} out of the file")

    async def add_partitions(self, topic: Topic, total: int, timeout_s: float) -> None:
        """The topic has `total` partitions, which can be produced to. 37 unless that is more than it has."""

        async def add(catalog: Changeable, current: CatalogTopic) -> None:
            missing = total - len(current.log_streams)
            if missing <= 0:
                raise too_few_partitions(len(current.log_streams), total)
            await catalog.changer.add_partitions(current, missing, catalog.admin)
            _log.info("topic %s has %d partitions now", topic.name, total)

        await self._change(topic, add, timeout_s, _more_partitions(topic))

    async def configure(self, topic: Topic, edit: EditConfig, timeout_s: float) -> None:
        """`edit` makes the settings from those there are; it may raise `KafkaError`, and run again."""

        async def configure(catalog: Changeable, current: CatalogTopic) -> None:
            after = edit(dict(current.config))
            if dict(after) != dict(current.config):
                await catalog.changer.configure(current, after)
                _log.info("topic %s is configured %s", topic.name, dict(after))

        await self._change(topic, configure, timeout_s, _other_config(topic))

    async def close(self, timeout_s: float) -> None:
        """Waits for what is under way, then cancels what is left. Idempotent."""
        self._catalog, self._why_not = None, "this node is shutting down"
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _change(
        self,
        topic: Topic,
        change: Callable[[Changeable, CatalogTopic], Coroutine[None, None, None]],
        timeout_s: float,
        instead: str,
    ) -> None:
        self.check_changeable(topic, instead)
        assert self._catalog is not None
        await self._within(self._try(self._catalog, topic, change), timeout_s, f"change topic {topic.name}")

    async def _try(
        self,
        catalog: Changeable,
        topic: Topic,
        change: Callable[[Changeable, CatalogTopic], Coroutine[None, None, None]],
    ) -> None:
        """Against the topic as it is now, and again while others are quicker."""
        for _ in range(_TRIES):
            current = catalog.catalog.fold.topic(topic.name)
            if current is None or current.uuid != topic.uuid:
                raise KafkaError(ErrorCode.unknown_topic_or_partition, f"topic {topic.name!r} was deleted")
            try:
                return await change(catalog, current)
            except ChangeLost:
                _log.info("topic %s was changed by somebody else meanwhile: looking again", topic.name)
        raise KafkaError(ErrorCode.request_timed_out, f"others keep changing topic {topic.name!r}; try again")

    async def _within(self, verb: Coroutine[None, None, T], timeout_s: float, what: str) -> T:
        task = asyncio.create_task(_answered(verb), name=what)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if not done:
            raise KafkaError(ErrorCode.request_timed_out, f"to {what} takes longer than {timeout_s:g} s")
        return task.result()

    def _done(self, task: asyncio.Task[object]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            level = logging.INFO if isinstance(error, KafkaError) else logging.ERROR
            _log.log(level, "%s: %s", task.get_name(), error)


def _more_partitions(topic: Topic) -> str:
    return f"make log streams and add them to topics.{topic.name}.partitions there"


def _other_config(topic: Topic) -> str:
    return f"write it into topics.{topic.name}.config there"


def already_exists(name: str) -> KafkaError:
    return KafkaError(ErrorCode.topic_already_exists, f"Topic '{name}' already exists.")


def too_few_partitions(current: int, total: int) -> KafkaError:
    """Kafka's two texts: partitions only ever grow in number."""
    if total == current:
        return KafkaError(ErrorCode.invalid_partitions, f"Topic already has {current} partition(s).")
    return KafkaError(
        ErrorCode.invalid_partitions,
        f"The topic currently has {current} partition(s); {total} would not be an increase.",
    )


async def _answered(verb: Coroutine[None, None, T]) -> T:
    """Turns what the catalog and Varlog raise into answers: 7 says that asking again is right."""
    try:
        return await verb
    except (CreationFailed, ChangeInDoubt, VarlogError) as error:
        raise KafkaError(ErrorCode.request_timed_out, str(error)) from error
    except CatalogError as error:
        raise KafkaError(ErrorCode.unknown_server_error, str(error)) from error
