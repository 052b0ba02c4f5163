from __future__ import annotations

import random
import struct

import pytest

from kov.errors import ProtocolError
from kov.wire.frames import CHUNK_BYTES, FrameBuffer
from tests.kov.wire.requests import sized

MIB = 1024 * 1024


def feed(buffer: FrameBuffer, data: bytes, at_most: int = 1 << 30) -> list[bytes]:
    """Feeds `data` in pieces of what there is room for, `at_most` bytes each."""
    found = []
    while data:
        room = buffer.room()
        piece = data[: min(len(room), at_most)]
        room[: len(piece)] = piece
        found += [bytes(frame) for frame in buffer.received(len(piece))]
        data = data[len(piece) :]
    return found


def test_many_requests_in_one_piece() -> None:
    frames = [b"", b"a", b"bc" * 500, b""]
    assert feed(FrameBuffer(MIB), b"".join(map(sized, frames))) == frames


@pytest.mark.parametrize("size", [0, 1, 3, 100])
def test_one_byte_at_a_time(size: int) -> None:
    frames = [bytes([n]) * size for n in range(3)]
    assert feed(FrameBuffer(MIB), b"".join(map(sized, frames)), at_most=1) == frames


@pytest.mark.parametrize("size", [CHUNK_BYTES + n for n in (-5, -4, -3, -1, 0, 1)] + [8 * CHUNK_BYTES, MIB])
@pytest.mark.parametrize("at_most", [1000, 1 << 30])
def test_sizes_around_the_chunk(size: int, at_most: int) -> None:
    frames = [b"x", random.Random(size).randbytes(size), b"y"]
    assert feed(FrameBuffer(MIB), b"".join(map(sized, frames)), at_most) == frames


def test_any_cut_of_the_stream_gives_the_same_frames() -> None:
    rng = random.Random(5)
    frames = [rng.randbytes(rng.choice([0, 10, 3000, 40_000, 300_000])) for _ in range(60)]
    stream, buffer, found = b"".join(map(sized, frames)), FrameBuffer(MIB), []
    while stream:
        cut = rng.choice([1, 2, 3, 5, 4096, 70_000])
        found += feed(buffer, stream[:cut])
        stream = stream[cut:]
    assert found == frames


@pytest.mark.parametrize("size", [-1, -(2**31), MIB + 1, 2**31 - 1])
def test_a_bad_size_is_refused_after_the_requests_before_it(size: int) -> None:
    buffer = FrameBuffer(MIB)
    data = sized(b"good") + struct.pack(">i", size)
    buffer.room()[: len(data)] = data
    frames = buffer.received(len(data))
    assert next(frames) == b"good"
    with pytest.raises(ProtocolError, match=str(size)):
        next(frames)


def test_the_largest_allowed_request_passes() -> None:
    assert feed(FrameBuffer(MIB), sized(bytes(MIB))) == [bytes(MIB)]


def test_memory_follows_what_came_and_not_what_was_announced() -> None:
    buffer = FrameBuffer(100 * MIB)
    assert feed(buffer, struct.pack(">i", 100 * MIB) + bytes(CHUNK_BYTES)) == []
    assert len(buffer.room()) <= 8 * CHUNK_BYTES


def test_a_large_frame_cannot_be_written_to() -> None:
    buffer = FrameBuffer(MIB)
    data = sized(bytes(CHUNK_BYTES))
    while data:
        room = buffer.room()
        piece = data[: len(room)]
        room[: len(piece)] = piece
        frames = list(buffer.received(len(piece)))
        data = data[len(piece) :]
    assert isinstance(frames[0], memoryview)
    assert frames[0].readonly
