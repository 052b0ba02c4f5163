"""The processes of a simulated cluster: storage nodes, metadata repository, admin server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from grpc import StatusCode

from tests.simulation.calls import Refusal, StreamCall, prefixed
from tests.simulation.unsealing import unseal
from varlog_client.pb import admpb_pb2, mrpb_pb2, snpb_pb2, varlogpb_pb2
from varlog_client.types import LogStreamId

if TYPE_CHECKING:
    from tests.simulation.log_stream import SimulatedLogStream
    from tests.simulation.varlog import SimulatedVarlog

CLUSTER_ID = 1
REPOSITORY = "repository"
ADMIN = "admin"


class Process:
    """What may be down or frozen. Frozen, it takes everything when it is thawed."""

    def __init__(self) -> None:
        self.up = True
        self.frozen = False
        self.calls: dict[StreamCall, None] = {}
        self._held: list[Callable[[], None]] = []

    @property
    def works(self) -> bool:
        return self.up and not self.frozen

    def take(self, act: Callable[[], None]) -> None:
        if self.frozen:
            self._held.append(act)
        else:
            act()

    def thaw(self) -> None:
        self.frozen = False
        held, self._held = self._held, []
        for act in held:
            act()

    def append(self, call: StreamCall, request: bytes) -> None:
        call.refuse(StatusCode.UNIMPLEMENTED, "no storage node")

    def subscribe(self, call: StreamCall, request: Any) -> None:
        call.refuse(StatusCode.UNIMPLEMENTED, "no storage node")


class Node(Process):
    """A storage node."""

    def __init__(self, varlog: SimulatedVarlog, node_id: int) -> None:
        super().__init__()
        self.varlog = varlog
        self.node_id = node_id
        self.address = f"node {node_id}"
        self.starts = self.freezes = 0

    def _stream(self, topic_id: int, log_stream_id: int) -> SimulatedLogStream | None:
        stream = self.varlog.log_streams.get(LogStreamId(log_stream_id))
        return stream if stream is not None and stream.topic_id == topic_id else None

    def append(self, call: StreamCall, request: bytes) -> None:
        asked = snpb_pb2.AppendRequest.FromString(request)
        ids = asked.topic_id, asked.log_stream_id
        text = _invalid(*ids)
        if call.first_ids is None:
            call.first_ids = ids
        if text is None and call.first_ids != ids:
            text = "unmatched topic or logstream"
        if text is None and not asked.payload:
            text = "no payload"
        stream = self._stream(*ids)
        if text is not None:
            call.refuse(StatusCode.INVALID_ARGUMENT, prefixed("InvalidArgument", text))
        elif stream is None:
            call.refuse(StatusCode.NOT_FOUND, prefixed("NotFound", "no such log stream"))
        else:
            stream.append(self, call, list(asked.payload))

    def subscribe(self, call: StreamCall, request: Any) -> None:
        try:
            stream = self._known_stream(request)
            stream.subscribe(self, call, request.llsn_begin, request.llsn_end)
        except Refusal as refusal:
            call.refuse(refusal.code, refusal.text)

    def unary(self, method: str, request: Any) -> Message:
        if method == "LogStreamReplicaMetadata":
            stream = self._known_stream(request)
            return snpb_pb2.LogStreamReplicaMetadataResponse(log_stream_replica=stream.describe(self))
        if method == "TrimDeprecated":
            self.varlog.trim(request.topic_id, request.glsn)
            return Empty()
        raise unimplemented(method)

    def _known_stream(self, request: Any) -> SimulatedLogStream:
        text = _invalid(request.topic_id, request.log_stream_id)
        if text is not None:
            raise Refusal(StatusCode.INVALID_ARGUMENT, text)
        stream = self._stream(request.topic_id, request.log_stream_id)
        if stream is None:
            raise Refusal(StatusCode.NOT_FOUND, "no such log stream")
        return stream


class Repository(Process):
    """The metadata repository. `stale`: it tells what it knew then."""

    def __init__(self, varlog: SimulatedVarlog) -> None:
        super().__init__()
        self._varlog = varlog
        self._told = varlogpb_pb2.MetadataDescriptor()
        self.stale = False

    def unary(self, method: str, request: Any) -> Message:
        if method == "GetClusterInfo":
            info = mrpb_pb2.ClusterInfo(cluster_id=CLUSTER_ID, node_id=1, leader=1)
            info.members[1].endpoint = REPOSITORY
            return mrpb_pb2.GetClusterInfoResponse(cluster_info=info)
        if method == "GetMetadata":
            if not self.stale and self._told.applied_index != self._varlog.version:
                self._told = self._varlog.describe()
            stale = self._told.applied_index != self._varlog.version
            self._varlog.network.seen["metadata were told that are out of date"] += stale
            return mrpb_pb2.GetMetadataResponse(metadata=self._told)
        raise unimplemented(method)


class Nobody(Process):
    """An address where nothing listens."""

    def __init__(self) -> None:
        super().__init__()
        self.up = False

    def unary(self, method: str, request: Any) -> Message:
        raise unimplemented(method)


class AdminServer(Process):
    """Trims, seals and unseals; all else is done to the cluster directly."""

    def __init__(self, varlog: SimulatedVarlog) -> None:
        super().__init__()
        self._varlog = varlog

    def unary(self, method: str, request: Any) -> Message:
        if method == "Trim":
            return admpb_pb2.TrimResponse(results=self._varlog.trim(request.topic_id, request.last_glsn))
        if method == "Seal":
            self._varlog.network.seen["kov asked to seal"] += 1
            self._varlog.log_streams[LogStreamId(request.log_stream_id)].seal()
            return admpb_pb2.SealResponse()
        if method == "Unseal":
            stream = self._varlog.log_streams[LogStreamId(request.log_stream_id)]
            self._varlog.network.seen["kov asked to unseal"] += 1
            unseal(stream)
            described = self._varlog.describe().log_streams[stream.log_stream_id - 1]
            return admpb_pb2.UnsealResponse(log_stream=described)
        raise unimplemented(method)


def unimplemented(method: str) -> Refusal:
    return Refusal(StatusCode.UNIMPLEMENTED, f"the simulated Varlog has no {method}")


def _invalid(topic_id: int, log_stream_id: int) -> str | None:
    if topic_id <= 0:
        return f"invalid topic {topic_id}"
    return f"invalid log stream {log_stream_id}" if log_stream_id <= 0 else None
