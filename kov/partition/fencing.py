"""Fencing for nobody: ends whoever writes a partition, without going on oneself."""

from __future__ import annotations

import asyncio
from typing import Final, assert_never

from kov.partition.history import History
from kov.partition.identity import NOBODY, PartitionIdentity
from kov.partition.limits import Limits
from kov.partition.opening import Deposed, Opening, Owned, Void
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.partition.view import View
from varlog_client.errors import AppendUnknown, Unavailable

_ATTEMPTS: Final = 5


async def fence_off(stream: Stream, partition: PartitionIdentity, limits: Limits) -> None:
    """When this returns, nothing by a writer from before is ever acknowledged any more.

    A producer may make a node open the partition anew. Raises `VarlogError`, `Unavailable` where others keep
    fencing it, and `Unusable` where nobody can write to the partition as it is.
    """
    for attempt in range(_ATTEMPTS):
        opening = Opening(History(stream, partition, View(TailBudget(0))), NOBODY, limits, None)
        try:
            outcome = await opening.attempt(limits.watch_s)
        except AppendUnknown:
            if attempt == _ATTEMPTS - 1:
                raise
            continue
        match outcome:
            case Owned(appender=appender):
                await appender.close()
                return
            case Void() | Deposed():
                await asyncio.sleep(limits.retry_s)
            case _:
                assert_never(outcome)
    raise Unavailable(f"{stream}: others fenced it first, {_ATTEMPTS} times in a row")
