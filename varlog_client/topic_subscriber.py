"""TopicSubscriber: the entries of a topic in global order, merged over its log streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType

from varlog_client import replicas
from varlog_client.errors import Closed, NotFound, Trimmed, Unavailable, VarlogError
from varlog_client.glsn_reader import GlsnReader
from varlog_client.metadata import Metadata
from varlog_client.readahead import MAX_ENTRIES
from varlog_client.types import END_GLSN, GLSN, LogStreamId, TopicEntry, TopicId

_LONGEST_QUIET_S = 5.0
_SOON_S = 0.05


class TopicSubscriber:
    """The entries of `[begin, end)` by GLSN. Made by `Log.subscribe`.

    An async iterator; `next_batch` is the quicker way. The GLSNs of a topic are dense, so every GLSN comes
    once, in order, without a gap. At the tail it waits for what will be committed; after `end - 1` it ends.
    Log streams added to the topic meanwhile are read too. Up to 4 MiB are read ahead per log stream, however
    long the range is.

    **Replicas.** As with `Subscriber`, for each log stream by itself.

    **Errors** come after the entries that were read before them, and stay: `Trimmed` where the next GLSN
    is gone (trimmed, or its log stream was removed), `Corrupt` where a server leaves an entry out,
    `NotFound` when the topic was removed, `Unavailable`, `Closed`.

    Cancelling a wait loses nothing: the next one goes on. One task at a time may wait.
    """

    def __init__(
        self,
        metadata: Metadata,
        topic_id: TopicId,
        begin: GLSN,
        end: GLSN,
        *,
        silence_s: float,
        patience_s: float,
        call_timeout_s: float,
        on_end: Callable[[TopicSubscriber], None],
    ) -> None:
        if not 1 <= begin <= end <= END_GLSN:
            raise ValueError(f"[{begin}, {end}) is no range of GLSNs")
        self.topic_id = topic_id
        self._metadata = metadata
        self._next = begin
        self._end = end
        self._silence_s = silence_s
        self._patience_s = patience_s
        self._call_timeout_s = call_timeout_s
        self._on_end = on_end
        self._closed = False
        self._failed: VarlogError | None = None
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._readers: dict[LogStreamId, GlsnReader] = {}
        self._quiet_s = silence_s
        self._look_at: float | None = None  # when the wait for `_next` becomes suspicious
        self._missed: GLSN | None = None  # what no log stream seemed to hold when they were asked
        if begin < end:
            self._read_new_log_streams()
        else:
            self._end_reading()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._next >= self._end else "reading"
        return f"<TopicSubscriber {self.topic_id} next={self._next} end={self._end} {state}>"

    def __aiter__(self) -> TopicSubscriber:
        return self

    async def __anext__(self) -> TopicEntry:
        if self._next >= self._end and not self._closed:
            raise StopAsyncIteration
        while (reader := self._holder()) is None:
            await self._wait()
        return self._take(reader)

    async def next_batch(self, max_entries: int = MAX_ENTRIES) -> list[TopicEntry]:
        """Waits for at least one entry and returns all that are there, up to `max_entries`; [] at the end."""
        try:
            entries = [await anext(self)]
        except StopAsyncIteration:
            return []
        while len(entries) < max_entries and (reader := self._holder()) is not None:
            entries.append(self._take(reader))
        return entries

    async def aclose(self) -> None:
        """Stops reading; what was read ahead is dropped, and whoever waits gets `Closed`. Idempotent."""
        self._closed = True
        self._news.set()
        await asyncio.gather(*(reader.aclose() for reader in self._readers.values()))
        self._on_end(self)

    async def __aenter__(self) -> TopicSubscriber:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _end_reading(self) -> None:
        for reader in self._readers.values():
            reader.stop()
        self._on_end(self)

    def _read_new_log_streams(self) -> bool:
        """Whether there are any. Raises `NotFound` when the topic is not there (any more)."""
        if self.topic_id not in self._metadata.view.topics:
            raise NotFound(f"the cluster has no topic {self.topic_id}")
        streams = self._metadata.view.log_streams.values()
        ids = {each.log_stream_id for each in streams if each.topic_id == self.topic_id}
        new = ids - self._readers.keys()
        self._readers |= {log_stream_id: self._reader(log_stream_id) for log_stream_id in new}
        return bool(new)

    def _reader(self, log_stream_id: LogStreamId) -> GlsnReader:
        return GlsnReader(
            self._metadata,
            self.topic_id,
            log_stream_id,
            self._end,
            wanted=lambda: self._next,
            news=self._news,
            silence_s=self._silence_s,
            patience_s=self._patience_s,
            call_timeout_s=self._call_timeout_s,
        )

    # The next entry

    def _holder(self) -> GlsnReader | None:
        for reader in self._readers.values():
            if (head := reader.head) is not None and head.glsn == self._next:
                return reader
        return None

    def _take(self, reader: GlsnReader) -> TopicEntry:
        entry = reader.pop()
        self._next = GLSN(entry.glsn + 1)
        self._quiet_s, self._look_at = self._silence_s, None
        if self._next >= self._end:
            self._end_reading()
        return TopicEntry(reader.log_stream_id, *entry)

    async def _wait(self) -> None:
        """Until one of the readers has news. Raises what keeps the next entry from ever coming."""
        self._check()
        self._news.clear()
        now = self._loop.time()
        if self._look_at is None:
            self._look_at = now + self._quiet_s
        if self._readers and all(each.is_past(self._next) for each in self._readers.values()):
            self._look_at = min(self._look_at, now + _SOON_S)
        try:
            async with asyncio.timeout_at(self._look_at):
                await self._news.wait()
        except TimeoutError:
            await self._look()

    def _check(self) -> None:
        if self._closed:
            raise Closed("the subscriber was closed")
        if self._failed is not None:
            raise self._failed
        for log_stream_id, reader in tuple(self._readers.items()):
            match reader.failure:
                case None | NotFound():
                    pass
                case Trimmed() as error if error.begin < self._next:  # others held what was trimmed since
                    self._readers[log_stream_id] = self._reader(log_stream_id)
                case error:
                    raise error

    async def _look(self) -> None:
        """Nothing came for too long: looks for new log streams, and whether the next GLSN is gone."""
        self._quiet_s = min(2 * self._quiet_s, max(_LONGEST_QUIET_S, self._silence_s))
        with contextlib.suppress(Unavailable):
            await self._metadata.refresh()
            try:
                if not self._closed and not self._read_new_log_streams():
                    await self._judge(self._next)
            except NotFound as error:
                self._failed = error
        self._look_at = None

    async def _judge(self, wanted: GLSN) -> None:
        """Missed once it may be on its way; missed again, it is gone."""
        lacking = await asyncio.gather(*(self._lacks(each, wanted) for each in self._readers.values()))
        missing = bool(lacking) and all(lacking) and self._holder() is None
        if missing and self._missed == wanted:
            self._failed = Trimmed(self.topic_id, None, wanted)
        self._missed = wanted if missing else None

    async def _lacks(self, reader: GlsnReader, glsn: GLSN) -> bool:
        if reader.is_past(glsn):
            return True
        ids = self.topic_id, reader.log_stream_id
        try:
            state = await replicas.peek(self._metadata, *ids, timeout_s=self._call_timeout_s)
        except NotFound:
            return True
        except VarlogError:
            return False
        heard = any(each.global_high_watermark >= glsn for each in state.replicas)
        return heard and not any(
            each.low_watermark.glsn <= glsn <= each.high_watermark.glsn for each in state.replicas
        )
