"""Log: one connection to a Varlog cluster, from which appenders and subscribers come."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from types import TracebackType

from varlog_client import replicas, trimming
from varlog_client.appender import Callback, LogStreamAppender
from varlog_client.appends import Appends
from varlog_client.batches import Payload
from varlog_client.channels import Channels
from varlog_client.counts import LogCounts
from varlog_client.denied import Denied
from varlog_client.errors import AppenderClosed, Closed
from varlog_client.metadata import Metadata
from varlog_client.shared import SharedAppenders
from varlog_client.subscriber import Subscriber
from varlog_client.topic_subscriber import TopicSubscriber
from varlog_client.types import (
    END_GLSN,
    END_LLSN,
    GLSN,
    LLSN,
    ClusterId,
    ClusterMetadata,
    EntryMeta,
    LogStreamId,
    LogStreamState,
    StorageNodeId,
    TopicId,
)

_SHARED_PIPELINE = 8


class Log:
    """A Varlog cluster as its clients see it. Made by `Log.open`, used in one event loop.

    The metadata is renewed every `refresh_interval_s` and whenever a stream ends with an error.
    """

    def __init__(
        self, metadata: Metadata, channels: Channels, call_timeout_s: float, deny_ttl_s: float
    ) -> None:
        self._metadata = metadata
        self._channels = channels
        self._call_timeout_s = call_timeout_s
        self._appenders: set[LogStreamAppender] = set()
        self._subscribers: set[Subscriber | TopicSubscriber] = set()
        self._denied = Denied(deny_ttl_s, asyncio.get_running_loop().time)
        self._appends = Appends(metadata, self._denied, SharedAppenders(self._shared_appender))
        self._closed = False

    @classmethod
    async def open(
        cls,
        cluster_id: int,
        metadata_repositories: Sequence[str],
        *,
        open_timeout_s: float = 10.0,
        call_timeout_s: float = 3.0,
        refresh_interval_s: float = 60.0,
        deny_ttl_s: float = 600.0,
    ) -> Log:
        """Reads the metadata from one of the addresses (`HOST:PORT`, any order), trying for `open_timeout_s`.

        One address is enough: the others are learnt from it. `call_timeout_s` bounds each metadata, peek and
        trim call. `append` avoids a log stream for `deny_ttl_s` after an append stream to it broke. Raises
        `Unavailable`, which names the addresses and what each said last, and `ValueError` without an address.
        """
        if not metadata_repositories:
            raise ValueError("a log is opened with the address of at least one metadata repository")
        channels = Channels()
        metadata = Metadata(
            ClusterId(cluster_id), metadata_repositories, channels, call_timeout_s=call_timeout_s
        )
        log = cls(metadata, channels, call_timeout_s, deny_ttl_s)
        try:
            await metadata.open(timeout_s=open_timeout_s, refresh_interval_s=refresh_interval_s)
        except BaseException:  # also when cancelled: no channel may be left behind
            await log.close()
            raise
        return log

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"metadata {self.metadata.version}"
        return f"<Log {state} appenders={len(self._appenders)} subscribers={len(self._subscribers)}>"

    @property
    def metadata(self) -> ClusterMetadata:
        """The newest view; a refresh replaces it whole."""
        return self._metadata.view

    @property
    def counts(self) -> LogCounts:
        """What this log has opened, and how that ended."""
        return self._metadata.counts

    @property
    def appenders(self) -> Collection[LogStreamAppender]:
        """Those that are open now. A copy."""
        return tuple(self._appenders)

    @property
    def subscribers(self) -> int:
        """How many subscriptions are open now."""
        return len(self._subscribers)

    async def refresh(self) -> ClusterMetadata:
        """Reads the metadata, no older than this call; calls at the same time share a read.

        Raises `Unavailable`, `Closed`.
        """
        return await self._metadata.refresh()

    async def append(
        self,
        topic_id: TopicId,
        payloads: Sequence[Payload],
        *,
        retries: int = 3,
        log_streams: Collection[LogStreamId] | None = None,
        may_duplicate: bool = False,
        timeout_s: float | None = None,
    ) -> Sequence[EntryMeta]:
        """Appends a batch to a random appendable log stream of the topic; one meta per payload.

        `log_streams` limits the choice. When all are denied or sealed, the one that failed longest ago is
        tried. A refused append (`AppendRefused`: certainly not stored) is tried again, elsewhere if
        possible, up to `retries` times, the metadata being read before each. One whose outcome is unknown is
        tried again only with `may_duplicate`: **then the batch may be stored more than once.**

        Raises the last `AppendRefused`, or the `AppendUnknown` of the attempt that may have stored it;
        after `timeout_s` over all attempts `CallTimeout`, or `AppendNotSent` where nothing was sent;
        `NotFound` without such a log stream, `ValueError` for an empty batch, and `Closed`. Cancelled, the
        batch may be stored. Appends of one log share one stream per log stream.
        """
        self._check_open()
        return await self._appends.append(
            topic_id,
            lambda: self._appends.choose(topic_id, log_streams),
            payloads,
            retries=retries,
            may_duplicate=may_duplicate,
            timeout_s=timeout_s,
        )

    async def append_to(
        self,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        payloads: Sequence[Payload],
        *,
        retries: int = 3,
        may_duplicate: bool = False,
        timeout_s: float | None = None,
    ) -> Sequence[EntryMeta]:
        """Like `append`, to this log stream and no other, whether it is denied or not."""
        self._check_open()
        return await self._appends.append(
            topic_id,
            lambda: self._appends.known(topic_id, log_stream_id),
            payloads,
            retries=retries,
            may_duplicate=may_duplicate,
            timeout_s=timeout_s,
        )

    def appendable_log_streams(self, topic_id: TopicId) -> frozenset[LogStreamId]:
        """The log streams of the topic that are RUNNING, by the metadata at hand, and not denied.

        One is denied for the log's `deny_ttl_s` when an append stream to it broke, or until an `append` or
        `append_to` succeeds there. Empty for an unknown topic. Raises `Closed`.
        """
        self._check_open()
        return self._appends.appendable(topic_id)

    def appender(
        self,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        *,
        pipeline: int = 2,
        default_callback: Callback | None = None,
        call_timeout_s: float | None = None,
    ) -> LogStreamAppender:
        """An appender to the primary that the metadata names now; its stream is opened in the background.

        `pipeline` is clamped to 1..8. `default_callback` serves batches that come without one. Raises
        `NotFound` when the metadata doesn't know the log stream (a new one: `refresh` first), and `Closed`.
        """
        self._check_open()
        primary = self._metadata.log_stream(topic_id, log_stream_id).replicas[0].storage_node_id
        appender = LogStreamAppender(
            self._metadata.channel(primary),
            topic_id,
            log_stream_id,
            primary,
            pipeline=pipeline,
            default_callback=default_callback,
            call_timeout_s=call_timeout_s,
            on_end=self._appender_ended,
        )
        self._appenders.add(appender)
        self._metadata.counts.appenders += 1
        return appender

    def subscribe_to(
        self,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        begin: LLSN,
        end: LLSN = END_LLSN,
        *,
        silence_s: float = 5.0,
        patience_s: float = 30.0,
    ) -> Subscriber:
        """The entries of `[begin, end)`; without `end`, for ever. Reading begins at once, in the background.

        Raises `NotFound` when the metadata doesn't know the log stream, `ValueError` for a range that isn't
        one (`begin == end` is, and it is empty), and `Closed`. For the times see `Subscriber`.
        """
        self._check_open()
        self._metadata.log_stream(topic_id, log_stream_id)
        subscriber = Subscriber(
            self._metadata,
            topic_id,
            log_stream_id,
            begin,
            end,
            silence_s=silence_s,
            patience_s=patience_s,
            call_timeout_s=self._call_timeout_s,
            on_end=self._subscribers.discard,
        )
        self._subscribers.add(subscriber)
        self._metadata.counts.subscribers += 1
        return subscriber

    def subscribe(
        self,
        topic_id: TopicId,
        begin: GLSN,
        end: GLSN = END_GLSN,
        *,
        silence_s: float = 1.0,
        patience_s: float = 30.0,
    ) -> TopicSubscriber:
        """The topic's entries of `[begin, end)` in global order, merged over its log streams.

        Reading begins at once, in the background. Raises `NotFound` when the metadata doesn't know the
        topic, `ValueError` for a range that isn't one, and `Closed`. For the times see `Subscriber`;
        `silence_s` is also how soon new log streams are looked for when nothing comes.
        """
        self._check_open()
        subscriber = TopicSubscriber(
            self._metadata,
            topic_id,
            begin,
            end,
            silence_s=silence_s,
            patience_s=patience_s,
            call_timeout_s=self._call_timeout_s,
            on_end=self._subscribers.discard,
        )
        if begin < end:
            self._subscribers.add(subscriber)
            self._metadata.counts.subscribers += 1
        return subscriber

    async def trim(self, topic_id: TopicId, last_glsn: GLSN) -> frozenset[StorageNodeId]:
        """Drops the topic's entries up to and including `last_glsn`; the nodes that answered.

        Asks every storage node with a replica of the topic at once. A node answers also where it trimmed
        nothing, for example beyond the end or while sealed: `Admin.trim` tells. A node that didn't answer
        keeps its entries. Raises `Unavailable` when none answered, `NotFound` and `Closed`.
        """
        self._check_open()
        return await trimming.trim(self._metadata, topic_id, last_glsn, timeout_s=self._call_timeout_s)

    async def peek(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        """Asks all replicas at once how far the log stream goes; waits `call_timeout_s` for each.

        A log stream that the metadata doesn't know is looked for in a fresh one. Raises `NotFound`, and
        `Unavailable` when no replica answered.
        """
        self._check_open()
        return await replicas.peek(self._metadata, topic_id, log_stream_id, timeout_s=self._call_timeout_s)

    async def close(self) -> None:
        """Closes the appenders and subscribers that came from here, then the connections. Idempotent."""
        self._closed = True
        await asyncio.gather(
            *(appender.close() for appender in tuple(self._appenders)),
            *(subscriber.aclose() for subscriber in tuple(self._subscribers)),
        )
        await self._metadata.close()
        await self._channels.close()

    async def __aenter__(self) -> Log:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise Closed("the log was closed")

    def _appender_ended(self, appender: LogStreamAppender) -> None:
        self._appenders.discard(appender)
        self._metadata.counts.appender_ended(appender.broken)
        if not isinstance(appender.broken, AppenderClosed):
            self._denied.add(appender.log_stream_id)
            self._metadata.refresh_soon()

    def _shared_appender(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamAppender:
        return self.appender(topic_id, log_stream_id, pipeline=_SHARED_PIPELINE)
