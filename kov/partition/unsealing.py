"""Unseals log streams, where the mapping file allows it: every restart of a storage node seals its own."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from kov.partition.stream import Stream
from varlog_client import Admin
from varlog_client.errors import VarlogError
from varlog_client.types import LogStream, LogStreamId, LogStreamStatus

_log: Final = logging.getLogger(__name__)
SETTLED_S: Final = 2.0


class Unsealer:
    """Asks the admin server at `address`, one log stream at a time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = asyncio.Lock()
        self._seen: dict[LogStreamId, tuple[LogStream, float]] = {}

    async def consider(self, stream: Stream) -> None:
        """Unseals `stream` if that is safe now: every replica says SEALED, and so does the metadata, whose
        word on this log stream hasn't changed for two seconds. Else nothing; ask again later. Never raises
        `VarlogError`.

        An earlier unseal leaves a primary that accepts appends which then hang; one right after a change
        of the replicas may leave the old primary acting.
        """
        async with self._lock:
            try:
                if await self._is_safe(stream):
                    _log.info("unsealing %s", stream)
                    async with await Admin.connect(self._address) as admin:
                        await admin.unseal(stream.topic_id, stream.log_stream_id)
            except VarlogError as error:
                _log.warning("%s can't be unsealed: %s", stream, error)

    async def _is_safe(self, stream: Stream) -> bool:
        known = (await stream.refresh()).log_streams.get(stream.log_stream_id)
        if known is None or known.status is not LogStreamStatus.SEALED:
            self._seen.pop(stream.log_stream_id, None)
            return False
        # Only its own changes count: where a node held many log streams, unsealing one changes the version.
        now = asyncio.get_running_loop().time()
        before, since = self._seen.setdefault(stream.log_stream_id, (known, now))
        if known != before:
            self._seen[stream.log_stream_id] = known, now
            return False
        return now - since >= SETTLED_S and (await stream.peek()).sealed
