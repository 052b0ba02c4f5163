"""Fills a small store to the brim with entries of a topic of its own, and frees it again."""

from __future__ import annotations

from varlog_client import Admin, AppendError, Log, LogStreamId, TopicId

_SIZES = (1024 * 1024, 512 * 1024, 64 * 1024, 4 * 1024, 256)


class Ballast:
    def __init__(self, address: str, topic: TopicId) -> None:
        self._address = address
        self._topic = topic
        self._log_stream = LogStreamId(0)

    async def prepare(self) -> None:
        async with await Admin.connect(self._address) as admin:
            self._log_stream = (await admin.add_log_stream(self._topic)).log_stream_id

    async def fill(self, smallest: int = _SIZES[-1]) -> None:
        """Returns when no entry of `smallest` bytes is taken any more, nor a larger one."""
        async with await Log.open(1, [self._address]) as log:
            for size in (size for size in _SIZES if size >= smallest):
                try:
                    while True:
                        await log.append_to(self._topic, self._log_stream, [bytes(size)], retries=0)
                except AppendError:
                    continue

    async def free(self) -> None:
        """Returns when the entries are gone; their room is given back soon after."""
        async with await Log.open(1, [self._address]) as log, await Admin.connect(self._address) as admin:
            last = (await log.peek(self._topic, self._log_stream)).last
            await admin.trim(self._topic, last.glsn)
