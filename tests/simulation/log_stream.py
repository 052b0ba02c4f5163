"""One simulated log stream: its entries, its replicas, and what the cluster does with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc import StatusCode

from tests.simulation.calls import Refusal, StreamCall, prefixed
from tests.simulation.reading import Reading
from varlog_client.pb import snpb_pb2, varlogpb_pb2
from varlog_client.types import LogStreamId, TopicId

if TYPE_CHECKING:
    from tests.simulation.processes import Node
    from tests.simulation.varlog import SimulatedVarlog

RUNNING, SEALING, SEALED = (
    varlogpb_pb2.LS_STATUS_RUNNING,
    varlogpb_pb2.LS_STATUS_SEALING,
    varlogpb_pb2.LS_STATUS_SEALED,
)
_FENCE = b"\xffkov\x01\x01"
AWAY_S = 5.0  # until the cluster has noticed that a node went, and sealed what it held


@dataclass(eq=False)
class Appended:
    """An append that the primary has accepted."""

    call: StreamCall
    payloads: list[bytes]


class SimulatedLogStream:
    """`entries` are all that were ever committed, also those that were trimmed."""

    def __init__(
        self, varlog: SimulatedVarlog, topic_id: TopicId, log_stream_id: LogStreamId, replicas: list[Node]
    ) -> None:
        self.varlog = varlog
        self.topic_id, self.log_stream_id = topic_id, log_stream_id
        self.replicas = replicas
        self.entries: list[bytes] = []
        self.glsns: list[int] = []
        self.first = 1
        self.sealed = False
        self.half_unsealed = False  # the primary runs and commits nothing, until it is sealed again
        self.stuck = False  # runs everywhere and commits nothing, until it is sealed again
        self.acting = replicas[0]  # the replica that takes appends
        self.hanging = False  # accepts, commits nothing
        self.lag = 0  # how many committed entries the backups haven't heard of
        self.accepted: deque[Appended] = deque()
        self.on_commit: Callable[[], None] = lambda: None
        self.by_hand = False  # nothing is committed by itself
        self._known = dict.fromkeys(replicas, 0)
        self.synchronising: set[Node] = set()  # were away, and aren't sealed yet
        self._reading: list[Reading] = []
        self._committing = False
        self._last_writer = ""
        self.moved_at = -AWAY_S  # the primary
        self.back_at = -AWAY_S  # when the last replica that was away was sealed, too

    def __repr__(self) -> str:
        return f"<SimulatedLogStream {len(self.entries)} entries, {'sealed' if self.sealed else 'running'}>"

    @property
    def primary(self) -> Node:
        return self.replicas[0]

    # Appending

    def append(self, node: Node, call: StreamCall, payloads: list[bytes]) -> None:
        if node not in self._known:
            call.refuse(StatusCode.NOT_FOUND, prefixed("NotFound", "no such log stream"))
        elif node is not self.acting:
            call.refuse(StatusCode.UNAVAILABLE, "not primary replica")
        elif self.sealed and not self.half_unsealed:
            call.refuse(StatusCode.FAILED_PRECONDITION, "sealed")
        else:
            self._saw("an append hung", not self._can_commit())
            call.unanswered += 1
            self.accepted.append(Appended(call, payloads))
            self._commit_later()

    def go_on(self) -> None:
        """Commits what was accepted, batch by batch, each after a moment."""
        self._tell_replicas()
        self._commit_later()
        if self.synchronising:
            self._synchronise_later()

    def _commit_later(self) -> None:
        if not self._committing and not self.by_hand and self.accepted and self._can_commit():
            self._committing = True
            self.varlog.network.later(self.varlog.network.delay_s(), self._commit_soon)

    def _can_commit(self) -> bool:
        replicas_work = all(node.works for node in self.replicas)
        hangs = self.hanging or self.half_unsealed or self.stuck
        return replicas_work and self.varlog.repository.works and not hangs

    def _saw(self, what: str, happened: bool = True) -> None:
        self.varlog.network.seen[what] += happened

    def _commit_soon(self) -> None:
        self._committing = False
        if self.accepted and self._can_commit():
            self.commit_next()
        self._commit_later()

    def commit_next(self) -> None:
        """Commits the oldest accepted append, which is answered then."""
        appended = self.accepted[0]
        appended.call.answered(self.commit(appended))

    def commit(self, appended: Appended) -> bytes:
        """Commits an accepted append; its answer."""
        self.accepted.remove(appended)
        heard, fence = appended.call.heard, appended.payloads[0].startswith(_FENCE)
        self._saw("a fence was committed and its writer not told", fence and not heard)
        self._saw("an append was committed after its client had given up", not heard and not fence)
        between = self._last_writer not in {"", appended.call.process}
        self._saw("another writer came between", between)
        self._last_writer = appended.call.process
        first = len(self.entries) + 1
        for payload in appended.payloads:
            self.entries.append(payload)
            self.glsns.append(self.varlog.next_glsn(self.topic_id))
        self._tell_replicas()
        self.on_commit()
        return self._response(first).SerializeToString()

    def _response(self, first: int) -> snpb_pb2.AppendResponse:
        ids = {"topic_id": self.topic_id, "log_stream_id": self.log_stream_id}
        numbers = enumerate(self.glsns[first - 1 :], first)
        metas = [varlogpb_pb2.LogEntryMeta(llsn=llsn, glsn=glsn, **ids) for llsn, glsn in numbers]
        return snpb_pb2.AppendResponse(results=[snpb_pb2.AppendResult(meta=meta) for meta in metas])

    def write_foreign(self, payload: bytes) -> None:
        """Another program appends."""
        self.entries.append(payload)
        self.glsns.append(self.varlog.next_glsn(self.topic_id))
        self._tell_replicas()
        self.on_commit()

    # What happens to it

    def seal(self) -> None:
        """Discards everything that isn't committed."""
        if not self.sealed:
            self.sealed = True
            self.varlog.changed()
        self.half_unsealed = self.stuck = False
        discarded, self.accepted = list(self.accepted), deque()
        self._saw("a seal discarded an append", bool(discarded))
        for appended in discarded:
            appended.call.discarded(StatusCode.FAILED_PRECONDITION, "sealed")
        self._synchronised()

    def unseal(self) -> bool:
        """Only when every replica is there and says that it is sealed."""
        sealed = all(node.works for node in self.replicas) and not self.synchronising
        if not sealed or self.half_unsealed:
            return False
        if self.sealed:
            self.sealed = False
            self.stuck = self.varlog.network.happens(self.varlog.network.faults.stuck)
            self._saw("a log stream was stuck after an unseal", self.stuck)
            self.acting = self.primary
            self.varlog.changed()
        return True

    def node_killed(self, node: Node) -> None:
        """With the primary goes a tail of what it had accepted; the cluster notices after a while."""
        if node is self.primary:
            kept = (
                0
                if self.half_unsealed or self.stuck
                else self.varlog.network.rng.randint(0, len(self.accepted))
            )
            while len(self.accepted) > kept:
                self.accepted.pop().call.forget()
            while self.accepted and not self.by_hand:
                self.commit_next()
        self._reading = [reading for reading in self._reading if reading.node is not node]
        self.varlog.network.later(self.varlog.network.rng.random() * AWAY_S, self._noticed, node, node.starts)

    def _noticed(self, node: Node, starts: int) -> None:
        if not node.up or node.starts != starts:
            self.seal()

    def node_started(self, node: Node) -> None:
        """It may know less than it did until it has synchronised with another replica."""
        self.sealed = True
        self.varlog.changed()
        self.synchronising.add(node)
        if len(self.replicas) > 1:
            self._known[node] = max(0, self._known[node] - self.varlog.network.rng.randint(0, 3))
        self._synchronise_later()

    def _synchronise_later(self) -> None:
        self.varlog.network.later(self.varlog.network.rng.random() * AWAY_S, self._synchronised)

    def _synchronised(self) -> None:
        before, self.synchronising = (
            self.synchronising,
            {node for node in self.synchronising if not node.works},
        )
        if before and not self.synchronising:
            self.back_at = self.varlog.network.loop.time()
        self._tell_replicas()

    def move_primary(self) -> None:
        """Another replica becomes the primary, which is possible only while it is sealed."""
        if self.sealed and not self.accepted:
            self.replicas = [*self.replicas[1:], self.replicas[0]]
            self.moved_at = self.varlog.network.loop.time()
            self.varlog.changed()
            self._tell_replicas()

    def set_lag(self, entries: int) -> None:
        self.lag = entries
        self._tell_replicas()

    def trim(self, first: int) -> bool:
        """Drops what lies before `first`; beyond the end nothing is."""
        if first > len(self.entries) + 1:
            return False
        self._saw("entries were trimmed", first > self.first)
        self.first = max(self.first, first)
        return True

    # Reading

    def _tell_replicas(self) -> None:
        for node in self.replicas:
            if node in self.synchronising or not node.works:
                continue
            lag = 0 if node is self.primary else self.lag
            self._known[node] = max(self._known[node], len(self.entries) - lag)
        for reading in list(self._reading):
            reading.push()

    def known_to(self, node: Node) -> int:
        """The last entry that this replica knows to be committed; raises `Refusal` where there is none."""
        known = self._known.get(node)
        if known is None:
            raise Refusal(StatusCode.NOT_FOUND, "no such log stream")
        return known

    def describe(self, node: Node) -> snpb_pb2.LogStreamReplicaMetadataDescriptor:
        known = self.known_to(node)
        status = SEALING if node in self.synchronising else SEALED if self.sealed else RUNNING
        if node is self.acting and self.half_unsealed:
            status = RUNNING
        told = snpb_pb2.LogStreamReplicaMetadataDescriptor(status=status, version=known)
        told.log_stream_replica.storage_node.storage_node_id = node.node_id
        told.log_stream_replica.topic_log_stream.topic_id = self.topic_id
        told.log_stream_replica.topic_log_stream.log_stream_id = self.log_stream_id
        if known >= self.first:
            low, high = told.local_low_watermark, told.local_high_watermark
            low.llsn, low.glsn = self.first, self.glsns[self.first - 1]
            high.llsn, high.glsn = known, self.glsns[known - 1]
        return told

    def subscribe(self, node: Node, call: StreamCall, begin: int, end: int) -> None:
        known = self.known_to(node)
        if begin >= end:
            raise Refusal(StatusCode.INVALID_ARGUMENT, "log stream: invalid range: invalid argument")
        if begin < self.first:
            if known >= self.first or end <= self.first:
                raise Refusal(StatusCode.OUT_OF_RANGE, "log stream: logstream: trimmed")
            begin = self.first  # everything was trimmed: it waits, and then begins with what comes
        if begin == 0:
            raise Refusal(StatusCode.OUT_OF_RANGE, "log stream: logstream: trimmed")
        reading = Reading(self, node, call, begin, end)
        self._reading.append(reading)
        reading.push()

    def done_reading(self, reading: Reading) -> None:
        if reading in self._reading:
            self._reading.remove(reading)
