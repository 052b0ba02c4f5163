"""A SubscribeTo at a simulated storage node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from tests.simulation.calls import StreamCall
from varlog_client.pb import snpb_pb2, varlogpb_pb2

if TYPE_CHECKING:
    from tests.simulation.log_stream import SimulatedLogStream
    from tests.simulation.processes import Node


class Reading:
    """A SubscribeTo under way: sends what its replica knows, and goes on as that grows."""

    def __init__(
        self, stream: SimulatedLogStream, node: Node, call: StreamCall, begin: int, end: int
    ) -> None:
        self.node = node
        self._stream, self._call, self._next, self._end = stream, call, begin, end

    def push(self) -> None:
        stream, network = self._stream, self._stream.varlog.network
        if self._call.cut:
            stream.done_reading(self)
            return
        if not self.node.works:
            return
        until = min(stream.known_to(self.node) + 1, self._end)
        if self._next >= until:
            return
        if network.happens(network.faults.cut_reading):
            stream.done_reading(self)
            self._call.break_off()
            return
        if self._next < stream.first:
            self._call.refuse(StatusCode.OUT_OF_RANGE, "log stream: logstream: trimmed")
        else:
            lags = until <= min(len(stream.entries), self._end - 1)
            network.seen["a lagging replica was read"] += lags and self.node is not stream.primary
            self._call.answer(*(self._message(llsn) for llsn in range(self._next, until)))
            self._next = until
        if self._next == self._end:
            stream.done_reading(self)

    def _message(self, llsn: int) -> snpb_pb2.SubscribeToResponse:
        stream = self._stream
        meta = varlogpb_pb2.LogEntryMeta(
            topic_id=stream.topic_id, log_stream_id=stream.log_stream_id, llsn=llsn
        )
        entry = varlogpb_pb2.LogEntry(meta=meta, data=stream.entries[llsn - 1])
        return snpb_pb2.SubscribeToResponse(log_entry=entry)
