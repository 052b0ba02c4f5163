"""Writers whose entries tell, afterwards, what was torn, lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field

import grpc

from tests.varlog_lite.lite_client import LiteClient

DEPTH = 6


@dataclass
class Written:
    """`acknowledged`: (first LLSN, batch) of every answer; `sent` counts batches; `end`: why it ended."""

    sent: int = 0
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    end: str = ""


def entries_of(round_number: int, batch: int, size: int) -> list[bytes]:
    """A batch of one to seven entries; each names its round, batch, place and the batch's length."""
    count = batch % 7 + 1
    return [b"%d/%d/%d/%d/" % (round_number, batch, n, count) + bytes(size) for n in range(count)]


async def write_until_broken(
    client: LiteClient, ids: tuple[int, int], round_number: int, written: Written
) -> None:
    """Appends until the stream breaks, with `DEPTH` requests in flight."""
    stream, waiting = client.open_append(*ids), deque[int]()
    sizes = random.Random(round_number)
    try:
        while True:
            while len(waiting) < DEPTH:
                await stream.send(*entries_of(round_number, written.sent, sizes.choice((10, 900, 20_000))))
                waiting.append(written.sent)
                written.sent += 1
            places = await stream.answer()
            written.acknowledged.append((places[0][1], waiting.popleft()))
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
        written.end = repr(error)


def check(stored: list[tuple[int, bytes]], first_llsn: int, round_number: int, written: Written) -> None:
    """`stored` are the entries from `first_llsn` on, all of this round."""
    assert [llsn for llsn, _ in stored] == list(range(first_llsn, first_llsn + len(stored)))
    parts = [tuple(map(int, data.split(b"/")[:4])) for _, data in stored]
    found: dict[int, int] = {}
    position = 0
    while position < len(parts):
        _, batch, _, count = parts[position]
        whole = [(round_number, batch, n, count) for n in range(count)]
        assert parts[position : position + count] == whole, f"batch {batch} is torn"
        found[batch] = stored[position][0]
        position += count
    assert list(found) == list(range(len(found))), "batches are missing, doubled or out of order"
    for llsn, batch in written.acknowledged:
        assert found.get(batch) == llsn, f"acknowledged batch {batch} is not at {llsn}"
