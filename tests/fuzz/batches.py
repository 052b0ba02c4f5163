"""Record batches for fuzzing: good ones, and ones with faults made by knowledge of the format."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from functools import cache
from typing import Final

import cramjam
from crc32c import crc32c

from tests.builders import batch

HEADER: Final = 61
_FIELDS: Final = (
    (0, ">q"), (8, ">i"), (12, ">i"), (16, ">b"), (17, ">I"), (21, ">h"), (23, ">i"), (27, ">q"), (35, ">q"),
    (43, ">q"), (51, ">h"), (53, ">i"), (57, ">i"),
)  # fmt: skip
"""Where each field of the header lies, and its form: `kov.records` names them."""
_BYTES: Final = {"b": 1, "h": 2, "i": 4, "I": 4, "q": 8}
_PRODUCERS: Final = (0, 7, 8, 2**62, 2**63 - 1)
_BOMB_BYTES: Final = 96 * 1024 * 1024


def some_batch(rng: random.Random) -> bytes:
    """A batch of any size and codec that Kafka takes; at times one of a few idempotent producers."""
    count = rng.choice((1, 1, 2, 3, 10, 100))
    now_ms = time.time_ns() // 1_000_000
    values = [rng.choice((b"v", b"", None, bytes(rng.randrange(200)))) for _ in range(count)]
    keys = [rng.choice((b"k", b"k", b"", None)) for _ in range(count)]
    made = batch(values, keys=keys, codec=rng.randrange(5), timestamp_ms=now_ms - rng.randrange(2))
    if rng.random() < 0.5:
        made = with_field(made, 43, ">q", rng.choice(_PRODUCERS))
        made = with_field(made, 51, ">h", rng.choice((0, 0, 0, 1, 2**15 - 1)))
        made = with_field(made, 53, ">i", rng.choice((0, 0, count, 2 * count, 2**31 - 1)))
        made = sealed(made)
    return made


def with_field(data: bytes, at: int, form: str, value: int) -> bytes:
    return data[:at] + struct.pack(form, value) + data[at + _BYTES[form[1]] :]


def sealed(data: bytes) -> bytes:
    """`data` with the checksum that belongs to it."""
    return data[:17] + struct.pack(">I", crc32c(data[21:])) + data[21:] if len(data) > 21 else data


def sized(data: bytes) -> bytes:
    """`data` with the length that belongs to it."""
    return with_field(data, 8, ">i", len(data) - 12) if len(data) > 12 else data


def interesting(rng: random.Random, form: str) -> int:
    """A value that fits into a struct's number."""
    bits = 8 * _BYTES[form[1]]
    least, most = (0, 2**bits - 1) if form[1] == "I" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return rng.choice((0, 1, 2, most, most - 1, least, max(least, -1), rng.randint(least, most)))


def mutate(data: bytes, rng: random.Random) -> bytes:
    """`data` with a fault, or several; sometimes a different batch, and sometimes a good one."""
    if len(data) <= HEADER or rng.random() < 0.2:
        data = some_batch(rng)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        data = rng.choice(_MUTATIONS)(data, rng)
        if len(data) <= HEADER:
            return data
    if rng.random() < 0.7:
        data = sized(data)
    return sealed(data) if rng.random() < 0.8 else data


_Mutation = Callable[[bytes, random.Random], bytes]


def _field(data: bytes, rng: random.Random) -> bytes:
    at, form = rng.choice(_FIELDS)
    return with_field(data, at, form, interesting(rng, form))


def _counts(data: bytes, rng: random.Random) -> bytes:
    """Record count and last offset delta that agree, and may both be wrong."""
    count = rng.choice((1, 2, 5, 1_000_000, 2**31 - 1, rng.randrange(1, 2**31)))
    return with_field(with_field(data, 57, ">i", count), 23, ">i", count - 1)


def _attributes(data: bytes, rng: random.Random) -> bytes:
    return with_field(data, 21, ">h", rng.randrange(0x80))


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _longer(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.choice((1, 11, 17, 61, 300)))


def _twice(data: bytes, rng: random.Random) -> bytes:
    return data + (data if rng.random() < 0.5 else some_batch(rng))


def _flip(data: bytes, rng: random.Random) -> bytes:
    copy = bytearray(data)
    copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
    return bytes(copy)


def _payload_flip(data: bytes, rng: random.Random) -> bytes:
    copy = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        copy[rng.randrange(HEADER, len(copy))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(copy)


def _payload_noise(data: bytes, rng: random.Random) -> bytes:
    return data[:HEADER] + rng.randbytes(rng.randrange(100))


def _recompressed(data: bytes, rng: random.Random) -> bytes:
    """The payload as it lies, compressed once more, under any codec."""
    packed = compressed(rng.randrange(1, 5), data[HEADER:])
    return _with_codec(data[:HEADER] + packed, rng.randrange(8))


def _bomb(data: bytes, rng: random.Random) -> bytes:
    codec = rng.randrange(1, 5)
    return _with_codec(data[:HEADER] + bomb(codec), codec)


def _time(data: bytes, rng: random.Random) -> bytes:
    """Times far away, so that the records have to be read."""
    now_ms = time.time_ns() // 1_000_000
    value = rng.choice((now_ms + 10**8, now_ms - 10**9, -1, 2**62))
    return with_field(with_field(data, 35, ">q", value), 27, ">q", value - rng.randrange(2))


_MUTATIONS: Final[tuple[_Mutation, ...]] = (
    _field, _field, _field, _counts, _attributes, _cut, _longer, _twice, _flip, _payload_flip, _payload_flip,
    _payload_noise, _recompressed, _time,
)  # fmt: skip
_RARELY: Final = 0.01


def mutate_hard(data: bytes, rng: random.Random) -> bytes:
    """As `mutate`, with a decompression bomb now and then: each costs much."""
    if len(data) > HEADER and rng.random() < _RARELY:
        return sealed(sized(_bomb(data, rng)))
    return mutate(data, rng)


def _with_codec(data: bytes, codec: int) -> bytes:
    return with_field(data, 21, ">h", (data[22] & 0x78) | codec)


def compressed(codec: int, payload: bytes) -> bytes:
    match codec:
        case 1:
            return bytes(cramjam.gzip.compress(payload))
        case 2:
            return bytes(cramjam.snappy.compress_raw(payload))
        case 3:
            return bytes(cramjam.lz4.compress(payload))
        case 4:
            return bytes(cramjam.zstd.compress(payload))
    return payload


@cache
def bomb(codec: int) -> bytes:
    """A payload that becomes much larger than what may be looked at."""
    return compressed(codec, bytes(_BOMB_BYTES))
