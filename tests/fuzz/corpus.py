"""The requests that mutation begins with: those of real clients, recorded, and those of `QUESTIONS`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

from tests.apache_kafka.questions import QUESTIONS
from tests.fuzz.mutating import Pool
from tests.kov.kafka_table.side import Side
from tests.kov.wire.requests import frame

FILE: Final = Path(__file__).with_name("corpus.txt")
_MADE: Final = "made-by-nobody"


def recorded() -> list[bytes]:
    """Requests without their sizes, by librdkafka, aiokafka and kafka-python; see `record`."""
    return [bytes.fromhex(line.split()[1]) for line in FILE.read_text().splitlines()]


def pool(topics: Mapping[str, UUID]) -> Pool:
    """`topics`: those that a mutation may name. Recorded requests come as often as all the others."""
    side = Side("corpus", "", 0, topics)
    asked = [made if isinstance(made := each.make(side), bytes) else frame(made) for each in QUESTIONS]
    real = recorded()
    return Pool([*real * (len(asked) // len(real) + 1), *asked], [*topics, _MADE], [*topics.values()])
