"""Appends: one batch to one log stream or to any, tried again where that is safe."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Sequence

from varlog_client.batches import Payload
from varlog_client.denied import Denied
from varlog_client.errors import (
    AppendError,
    AppendNotSent,
    AppendRefused,
    AppendUnknown,
    CallTimeout,
    NotFound,
    Unavailable,
)
from varlog_client.metadata import Metadata
from varlog_client.shared import SharedAppenders
from varlog_client.types import EntryMeta, LogStreamId, LogStreamStatus, TopicId

_PAUSE_S = 0.05  # before the first retry; doubled for each further one
_LONGEST_PAUSE_S = 1.0


class Appends:
    """`Log.append` and `Log.append_to` are the contract."""

    def __init__(self, metadata: Metadata, denied: Denied, shared: SharedAppenders) -> None:
        self._metadata = metadata
        self._denied = denied
        self._shared = shared

    def appendable(self, topic_id: TopicId) -> frozenset[LogStreamId]:
        streams = self._metadata.view.log_streams.values()
        running = [each for each in streams if each.status is LogStreamStatus.RUNNING]
        ids = [each.log_stream_id for each in running if each.topic_id == topic_id]
        return frozenset(each for each in ids if each not in self._denied)

    async def choose(self, topic_id: TopicId, allowed: Collection[LogStreamId] | None) -> LogStreamId:
        """Where all are denied or sealed: the one whose failure lies longest ago. Raises `NotFound`."""
        if streams := self._allowed(self.appendable(topic_id), allowed):
            return random.choice(sorted(streams))  # noqa: S311 no secret
        await self._refresh()
        if streams := self._allowed(self.appendable(topic_id), allowed):
            return random.choice(sorted(streams))  # noqa: S311
        known = self._metadata.view.log_streams.values()
        ids = frozenset(each.log_stream_id for each in known if each.topic_id == topic_id)
        last_resort = self._denied.longest_denied(sorted(self._allowed(ids, allowed)))
        if last_resort is None:
            raise NotFound(f"topic {topic_id} has no log stream that could be appended to")
        return last_resort

    async def known(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamId:
        """The same id, looked up in fresh metadata where it is unknown. Raises `NotFound`."""
        try:
            self._metadata.log_stream(topic_id, log_stream_id)
        except NotFound:
            await self._metadata.refresh()
            self._metadata.log_stream(topic_id, log_stream_id)
        return log_stream_id

    async def append(
        self,
        topic_id: TopicId,
        choose: Callable[[], Awaitable[LogStreamId]],
        payloads: Sequence[Payload],
        *,
        retries: int,
        may_duplicate: bool,
        timeout_s: float | None,
    ) -> Sequence[EntryMeta]:
        if retries < 0:
            raise ValueError(f"{retries} retries are none")
        trial = _Trial(self._shared, topic_id, payloads)
        try:
            async with asyncio.timeout(timeout_s):
                for turn in range(retries + 1):
                    if turn:
                        await self._refresh()
                        await asyncio.sleep(min(_PAUSE_S * 2 ** (turn - 1), _LONGEST_PAUSE_S))
                    log_stream_id = await choose()
                    if metas := await trial.append_to(log_stream_id):
                        self._denied.discard(log_stream_id)
                        return metas
                    if trial.doubt and not may_duplicate:
                        break
        except TimeoutError:
            raise trial.timed_out(timeout_s) from None
        raise trial.error()

    def _allowed(
        self, streams: frozenset[LogStreamId], allowed: Collection[LogStreamId] | None
    ) -> frozenset[LogStreamId]:
        return streams if allowed is None else streams & frozenset(allowed)

    async def _refresh(self) -> None:
        with contextlib.suppress(Unavailable):  # what is known must do
            await self._metadata.refresh()


class _Trial:
    """One batch on its way: what is known of the attempts so far."""

    def __init__(self, shared: SharedAppenders, topic_id: TopicId, payloads: Sequence[Payload]) -> None:
        self.doubt: AppendUnknown | None = None  # an attempt that may have stored the batch
        self._refusal: AppendRefused | None = None
        self._shared = shared
        self._topic_id = topic_id
        self._payloads = payloads
        self._log_stream_id = LogStreamId(0)
        self._answer: asyncio.Future[Sequence[EntryMeta]] | None = None

    async def append_to(self, log_stream_id: LogStreamId) -> Sequence[EntryMeta] | None:
        """None when it failed: `error` knows how."""
        self._log_stream_id = log_stream_id
        appender = self._shared.get(self._topic_id, log_stream_id)
        try:
            self._answer = await appender.append_soon(self._payloads)
            return await self._answer
        except AppendRefused as refusal:
            self._refusal = refusal
        except AppendUnknown as doubt:
            self.doubt = doubt
        self._answer = None
        return None

    def error(self) -> AppendError:
        """A doubt outweighs all refusals: the batch may be stored."""
        error = self.doubt or self._refusal
        assert error is not None
        return error

    def timed_out(self, timeout_s: float | None) -> AppendError:
        message = f"no answer within {timeout_s:g} s"
        if self._answer is not None or self.doubt is not None:
            return CallTimeout(message, log_stream_id=self._log_stream_id)
        return AppendNotSent(f"{message}, and nothing was sent", log_stream_id=self._log_stream_id)
