"""What the Kafka protocol alone tells: nodes, partitions, where they end, and how long an answer takes."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from kov.errors import CannotStart
from kov.tools.records.client import CALL_S, reason_of, settings

_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`ends` has the partitions that answered, `problems` why the others didn't. Times in seconds."""

    at: float
    took: float
    nodes: Mapping[int, str]
    leaders: Mapping[Place, int]
    ends: Mapping[Place, int]
    problems: Mapping[Place, str] = field(default_factory=dict)


class Watcher:
    def __init__(self, bootstrap: str, topics: Collection[str]) -> None:
        """`topics`: these only, or all where there are none."""
        self._bootstrap = bootstrap
        self._topics = frozenset(topics)
        self._admin = AdminClient(dict(settings(bootstrap)))

    def look(self) -> Look:
        """Blocks for an answer of every leader. Raises CannotStart where nobody answers at all."""
        try:
            metadata = self._admin.list_topics(timeout=CALL_S)
        except KafkaException as error:
            raise CannotStart(
                f"{self._bootstrap} does not answer as a Kafka server ({reason_of(error)}); "
                "is kov running there? Name another one with --bootstrap"
            ) from None
        leaders = {
            (name, index): partition.leader
            for name, topic in metadata.topics.items()
            if not self._topics or name in self._topics
            for index, partition in topic.partitions.items()
        }
        began = time.monotonic()
        ends, problems = self._ends(leaders)
        at = time.monotonic()
        nodes = {number: f"{each.host}:{each.port}" for number, each in metadata.brokers.items()}
        return Look(at=at, took=at - began, nodes=nodes, leaders=leaders, ends=ends, problems=problems)

    def _ends(self, places: Collection[Place]) -> tuple[dict[Place, int], dict[Place, str]]:
        ends: dict[Place, int] = {}
        problems: dict[Place, str] = {}
        if not places:
            return ends, problems
        asked = self._admin.list_offsets(
            {TopicPartition(topic, index): _LATEST for topic, index in places},
            request_timeout=CALL_S,
        )
        for partition, answer in asked.items():
            place = partition.topic, partition.partition
            try:
                ends[place] = answer.result().offset
            except KafkaException as error:
                problems[place] = reason_of(error)
        return ends, problems
