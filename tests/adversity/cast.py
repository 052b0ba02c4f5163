"""Who produces in a round: three libraries, with idempotence and without, each codec in its turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Literal

Library = Literal["confluent", "aiokafka", "kafka-python"]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Manner(Enum):
    """IDEMPOTENT has short request time-outs, where the library lives with them, and tries again for long.

    PLAIN has no idempotence, several requests in flight, tries again, and a time-out within which kov
    settles everything. ONCE is told how its one attempt ended.
    """

    IDEMPOTENT = "idempotent"
    PLAIN = "plain"
    ONCE = "once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """`request_timeout_s`: what the broker is given; `patience_s`: how long the library waits for its answer.

    A record gets an outcome within `delivery_timeout_s`.
    """

    name: str
    library: Library
    manner: Manner
    codec: str
    request_timeout_s: float
    patience_s: float
    delivery_timeout_s: float = 120.0
    linger_ms: int = 5


_SHORT_S, _LONG_S = 5.0, 60.0
_CAST: tuple[tuple[Library, Manner, float, float], ...] = (
    ("confluent", Manner.IDEMPOTENT, _SHORT_S, 8.0),
    ("confluent", Manner.PLAIN, _LONG_S, 63.0),
    # librdkafka's patience begins when a request is made, and others may be before it: five in flight.
    ("confluent", Manner.ONCE, _SHORT_S, 20.0),
    # aiokafka gives up batches after its request time-out where it knows no leader, also idempotent ones.
    ("aiokafka", Manner.IDEMPOTENT, _LONG_S, _LONG_S),
    ("aiokafka", Manner.PLAIN, _LONG_S, _LONG_S),
    ("kafka-python", Manner.IDEMPOTENT, _SHORT_S, _SHORT_S),
    ("kafka-python", Manner.PLAIN, _LONG_S, _LONG_S),
)


def cast(chance: Random) -> list[Role]:
    """All seven, with codecs by chance such that each of the five is there."""
    codecs = [*CODECS, *chance.choices(CODECS, k=len(_CAST) - len(CODECS))]
    chance.shuffle(codecs)
    return [
        Role(
            name=f"{library}-{manner.value}",
            library=library,
            manner=manner,
            codec=codec,
            request_timeout_s=request_timeout_s,
            patience_s=patience_s,
            linger_ms=chance.choice((0, 2, 10)),
        )
        for (library, manner, request_timeout_s, patience_s), codec in zip(_CAST, codecs, strict=True)
    ]
