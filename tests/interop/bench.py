"""Where a scenario is played: a client's driver, a kov, and what the log holds in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.checking import (
    check_deliveries,
    check_dense,
    check_exactly_once,
    check_order,
    read_log,
    wait_until_stored,
)
from tests.clients.raw import Partition
from tests.clients.records import Contents, Nulls, Record, Stored, records
from tests.clients.scenario import CODECS
from tests.clients.stage import EmbeddedStage, Stage
from tests.interop.clients import Client
from tests.interop.driver import Driver, Settings, Told
from tests.kov_process import KovProcess

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`stage` is a kov that others use too; `directory` is for scenarios that start one of their own."""

    client: Client
    driver: Driver
    stage: EmbeddedStage
    directory: Path

    @property
    def bootstrap(self) -> str:
        return self.stage.bootstrap

    def on(self, kov: KovProcess) -> Bench:
        """The same with a kov of this scenario's own."""
        return replace(self, stage=EmbeddedStage(kov))

    def settings(self, **changes: Any) -> Settings:
        """Idempotent where the client can be."""
        idempotent = "idempotence" not in self.client.lacks
        return Settings(**{"idempotent": idempotent, **changes})

    def records(self, how_many: int, *, partitions: int = 2, size: int = 100) -> list[Record]:
        """Records of all shapes that the client can send."""
        made = records("p", how_many, partitions=partitions, size=size, nulls=self._nulls)
        return [self.simplified(each) for each in made]

    @property
    def _nulls(self) -> Nulls:
        lacks = self.client.lacks
        header = Nulls(0) if "null header" in lacks else Nulls.HEADER
        return header | (Nulls(0) if "null key and value" in lacks else Nulls.KEY_AND_VALUE)

    def simplified(self, record: Record) -> Record:
        contents = record.contents
        if "headers" in self.client.lacks:
            value = contents.identity.encoded() + b":" + (contents.value or b"")
            return replace(record, contents=contents._replace(value=value, headers=()))
        if "repeated headers" in self.client.lacks:
            return replace(record, contents=contents._replace(headers=tuple(dict(contents.headers).items())))
        return record

    def seen(self, contents: Contents) -> Contents:
        """What can be compared of a record that this client wrote."""
        if "timestamps" in self.client.lacks:
            contents = contents._replace(timestamp_ms=0)
        return _without_empty(contents) if "sending empty" in self.client.lacks else contents

    def read(self, stored: Stored) -> Stored:
        """What can be compared of a record that this client read."""
        contents = stored.contents
        empty_is_null = "reading empty" in self.client.lacks
        return stored._replace(contents=_without_empty(contents) if empty_is_null else contents)

    async def stored(self, topic: str) -> list[Partition]:
        return await read_log(self.stage, topic)

    async def check(
        self, topic: str, sent: Sequence[Record], told: Sequence[Told], settings: Settings
    ) -> list[Partition]:
        """Everything sent lies in the log once, in order, where its producer was told, in such batches."""
        deliveries = [self._delivery(each, settings) for each in told]
        if settings.acks == 0:
            ends = dict.fromkeys({record.partition or 0 for record in sent}, 0)
            await wait_until_stored(self.stage, topic, ends, len(sent))
        partitions = await self.stored(topic)
        found = [each for partition in partitions for each in partition.records]
        comparable = [each._replace(contents=self.seen(each.contents)) for each in found]
        expected = [replace(record, contents=self.seen(record.contents)) for record in sent]
        check_dense(found, dict.fromkeys(range(len(partitions)), 0))
        check_order(comparable)
        check_exactly_once(comparable, expected)
        check_deliveries(comparable, expected, deliveries)
        _check_batches([each for each in partitions if each.records], settings)
        return partitions

    def _delivery(self, told: Told, settings: Settings) -> Any:
        if isinstance(told, Exception):
            raise told
        return None if settings.acks == 0 or told.offset < 0 else told


def _without_empty(contents: Contents) -> Contents:
    headers = tuple((name, value or None) for name, value in contents.headers)
    return contents._replace(key=contents.key or None, value=contents.value or None, headers=headers)


def all_records(partitions: Sequence[Partition]) -> list[Stored]:
    return [each for partition in partitions for each in partition.records]


def _check_batches(partitions: Sequence[Partition], settings: Settings) -> None:
    codecs = set().union(*(each.codecs for each in partitions))
    codec = CODECS.index(settings.codec)
    assert codec in codecs <= {0, codec}, f"codecs {codecs}, not {settings.codec}"
    anonymous = {-1} & set().union(*(each.producer_ids for each in partitions))
    assert bool(anonymous) != settings.idempotent


async def used_topic(stage: Stage) -> str:
    """A new topic with four partitions, made because somebody asked for it."""
    topic = f"interop-{uuid4().hex[:12]}"
    await asyncio.to_thread(_ask_for, stage.bootstrap, topic)
    return topic


def _ask_for(bootstrap: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 2})
    while True:
        error = producer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].error
        if error is None:
            return
        if error.code() not in {KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART}:
            raise KafkaException(error)


async def created_topic(stage: Stage, partitions: int, config: Mapping[str, str] | None = None) -> str:
    """A new topic, made by CreateTopics."""
    topic = f"interop-{uuid4().hex[:12]}"

    def create() -> None:
        admin = AdminClient({"bootstrap.servers": stage.bootstrap, "log_level": 2})
        made = admin.create_topics([NewTopic(topic, partitions, config=dict(config or {}))])
        made[topic].result(_TIMEOUT_S)

    await asyncio.to_thread(create)
    return topic
