"""Unseals log streams, where the mapping file allows it: every restart of a storage node seals its own.

One that is stuck is sealed first. Sealed with appends under way and unsealed again, however patiently, a log
stream of a busy cluster may run on all its nodes and commit nothing of what it accepts, until it is sealed
once more (seen).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from kov.partition.stream import Stream
from varlog_client import Admin
from varlog_client.errors import VarlogError
from varlog_client.types import LogStream, LogStreamId, LogStreamStatus

_log: Final = logging.getLogger(__name__)
SETTLED_S: Final = 2.0
FORGOTTEN_S: Final = 30.0  # longer than a round over a thousand log streams takes, which wait for one another
SEAL_AGAIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found at `at`: the metadata's word, and whether every replica said SEALED, since when."""

    known: LogStream
    sealed: bool
    since: float
    at: float


class Unsealer:
    """Asks the admin server at `address`, one log stream at a time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = asyncio.Lock()
        self._looks: dict[LogStreamId, _Look] = {}
        self._sealed_at: dict[LogStreamId, float] = {}

    async def consider(self, stream: Stream) -> None:
        """Unseals `stream` if that is safe now: for two seconds, at each look, every replica has said SEALED,
        and so has the metadata, whose word on this log stream hasn't changed. Else nothing; ask again soon,
        or the two seconds begin anew. Never raises `VarlogError`.

        An earlier unseal leaves a primary that accepts appends which then hang until the admin seals again.
        So may one right after a restarted replica was sealed, which the admin may be about to synchronise.
        One right after a change of the replicas may leave the old primary acting.
        """
        async with self._lock:
            try:
                if await self._is_safe(stream):
                    self._looks.pop(stream.log_stream_id, None)
                    _log.info("unsealing %s", stream)
                    async with await Admin.connect(self._address) as admin:
                        await admin.unseal(stream.topic_id, stream.log_stream_id)
            except VarlogError as error:
                _log.warning("%s can't be unsealed: %s", stream, error)

    async def seal(self, stream: Stream) -> None:
        """Seals `stream`, which answers no append though it runs everywhere; `consider` unseals it then.

        At most once a minute, since what looks stuck may be a slow disk, which a seal doesn't make faster.
        What it discards was not acknowledged to anybody. Never raises `VarlogError`.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now < self._sealed_at.get(stream.log_stream_id, -SEAL_AGAIN_S) + SEAL_AGAIN_S:
                return
            self._sealed_at[stream.log_stream_id] = now
            _log.warning("sealing %s, which seems stuck", stream)
            try:
                async with await Admin.connect(self._address) as admin:
                    await admin.seal(stream.topic_id, stream.log_stream_id)
            except VarlogError as error:
                _log.warning("%s can't be sealed: %s", stream, error)

    async def _is_safe(self, stream: Stream) -> bool:
        known = (await stream.refresh()).log_streams.get(stream.log_stream_id)
        before = self._looks.pop(stream.log_stream_id, None)
        if known is None or known.status is not LogStreamStatus.SEALED:
            return False
        sealed = (await stream.peek()).sealed
        now = asyncio.get_running_loop().time()
        # Only its own changes count: where a node held many log streams, unsealing one changes the version.
        changed = before is not None and before.known != known
        held = before is not None and before.sealed and not changed and now - before.at < FORGOTTEN_S
        look = _Look(known, sealed, before.since if before is not None and held else now, now)
        self._looks[stream.log_stream_id] = look
        return sealed and not changed and now - look.since >= SETTLED_S
