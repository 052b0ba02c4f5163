"""A catalog's writer to which something happens."""

from __future__ import annotations

from kov.catalog.writer import CatalogWriter
from varlog_client import LLSN, AppenderClosed, LogStreamId


class Troubled(CatalogWriter):
    """Its first append ends with `trouble`, the entry being stored before that or not."""

    def __init__(self, inner: CatalogWriter, trouble: Exception, *, stored: bool) -> None:
        self.inner = inner
        self.trouble: Exception | None = trouble
        self.stored = stored
        self.lost = b""

    async def append(self, payload: bytes) -> LLSN:
        trouble, self.trouble = self.trouble, None
        if trouble is None:
            return await self.inner.append(payload)
        self.lost = payload
        if self.stored:
            await self.inner.append(payload)
        raise trouble

    async def close(self) -> None:
        await self.inner.close()


def in_doubt() -> Exception:
    return AppenderClosed("closed", log_stream_id=LogStreamId(1))
