"""What a producer is told to do. One description for every client library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.clients.records import Delivery, Nulls, Record

Library = Literal["aiokafka", "confluent", "kafka-python"]
Codec = Literal["none", "gzip", "snappy", "lz4", "zstd"]
Acks = Literal["0", "1", "all"]

PYTHON_LIBRARIES: tuple[Library, ...] = ("aiokafka", "confluent", "kafka-python")
CODECS: tuple[Codec, ...] = ("none", "gzip", "snappy", "lz4", "zstd")
ACKS: tuple[Acks, ...] = ("0", "1", "all")

_NULLS: dict[Library, Nulls] = {
    "aiokafka": Nulls.HEADER,
    "confluent": Nulls.HEADER | Nulls.KEY_AND_VALUE,
    "kafka-python": Nulls(0),
}

CLIENT_LIMIT_BYTES = 4 << 20
"""What the clients are told a request may hold, so that it is the server's limit that is met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """An idempotent producer always has acks=all: the libraries refuse anything else."""

    library: Library
    idempotent: bool = True
    codec: Codec = "none"
    acks: Acks = "all"

    def __str__(self) -> str:
        return "-".join((self.library, "idempotent" if self.idempotent else f"acks {self.acks}", self.codec))

    @property
    def nulls(self) -> Nulls:
        return _NULLS[self.library]


Produce = Callable[[str, str, Sequence[Record], Scenario], Awaitable[list[Delivery | None]]]
"""(bootstrap, topic, records, scenario): sends all, waits for all, closes. None: acks=0, nothing was told.

Raises the library's own error of the first record that failed.
"""


def everyday(library: Library) -> list[Scenario]:
    """Every codec, every acks, idempotent and not, each once or more."""
    idempotent = [Scenario(library=library, codec=codec) for codec in CODECS]
    plain: list[tuple[Acks, Codec]] = [("0", "zstd"), ("1", "none"), ("all", "lz4")]
    return idempotent + [
        Scenario(library=library, idempotent=False, acks=acks, codec=codec) for acks, codec in plain
    ]


def remaining(library: Library) -> list[Scenario]:
    """Whatever `everyday` leaves out of the whole product."""
    plain = [
        Scenario(library=library, idempotent=False, acks=acks, codec=codec)
        for acks in ACKS
        for codec in CODECS
    ]
    return [each for each in plain if each not in everyday(library)]
