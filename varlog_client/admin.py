"""Admin: what creates, changes and removes things in a cluster. Appending and reading don't need it."""

from __future__ import annotations

from collections.abc import Sequence

from varlog_client import convert
from varlog_client.admin_connection import answer
from varlog_client.admin_nodes import AdminNodes
from varlog_client.admin_types import SyncStatus, TopicDescription
from varlog_client.pb import admpb_pb2 as pb
from varlog_client.pb import varlogpb_pb2
from varlog_client.types import (
    GLSN,
    LogStream,
    LogStreamId,
    Replica,
    SealResult,
    StorageNodeId,
    Topic,
    TopicId,
    TrimResult,
)


class Admin(AdminNodes):
    """A connection to the cluster's admin server. Made by `Admin.connect`.

    Every method is one call, bounded by its `timeout_s` or else by the one given to `connect`. It raises
    `NotFound`, `AlreadyExists`, `FailedPrecondition`, `InvalidArgument`, `Unavailable` (also when there is
    no answer in time: the call may yet have its effect) or `Internal`.
    """

    # Topics

    async def add_topic(self, *, timeout_s: float | None = None) -> Topic:
        """A new topic; the cluster chooses its id."""
        reply = await answer(self._stub.AddTopic(pb.AddTopicRequest(), timeout=self._within(timeout_s)))
        return convert.topic(reply.topic)

    async def get_topic(self, topic_id: TopicId, *, timeout_s: float | None = None) -> Topic:
        """One topic."""
        request = pb.GetTopicRequest(topic_id=topic_id)
        reply = await answer(self._stub.GetTopic(request, timeout=self._within(timeout_s)))
        return convert.topic(reply.topic)

    async def describe_topic(self, topic_id: TopicId, *, timeout_s: float | None = None) -> TopicDescription:
        """One topic with its log streams. Varlog calls it deprecated."""
        request = pb.DescribeTopicRequest(topic_id=topic_id)
        reply = await answer(self._stub.DescribeTopic(request, timeout=self._within(timeout_s)))
        streams = tuple(convert.log_stream(stream) for stream in reply.log_streams)
        return TopicDescription(topic=convert.topic(reply.topic), log_streams=streams)

    async def list_topics(self, *, timeout_s: float | None = None) -> tuple[Topic, ...]:
        """All topics."""
        reply = await answer(self._stub.ListTopics(pb.ListTopicsRequest(), timeout=self._within(timeout_s)))
        return tuple(convert.topic(topic) for topic in reply.topics)

    async def unregister_topic(self, topic_id: TopicId, *, timeout_s: float | None = None) -> None:
        """Removes a topic with its log streams. Appends to those hang from then on: stop them before."""
        request = pb.UnregisterTopicRequest(topic_id=topic_id)
        await answer(self._stub.UnregisterTopic(request, timeout=self._within(timeout_s)))

    async def trim(
        self, topic_id: TopicId, last_glsn: GLSN, *, timeout_s: float | None = None
    ) -> tuple[TrimResult, ...]:
        """Drops the topic's entries up to and including `last_glsn`; one result per replica.

        With a storage node down it raises, and other nodes may have trimmed.
        """
        request = pb.TrimRequest(topic_id=topic_id, last_glsn=last_glsn)
        reply = await answer(self._stub.Trim(request, timeout=self._within(timeout_s)))
        return tuple(convert.trim_result(result) for result in reply.results)

    # Log streams

    async def add_log_stream(
        self, topic_id: TopicId, replicas: Sequence[Replica] = (), *, timeout_s: float = 60.0
    ) -> LogStream:
        """A new log stream, running when this returns: 5 to 15 s on a real cluster.

        Without `replicas` the cluster chooses the nodes; otherwise there are as many as its replication
        factor, and the first is the primary. After `Unavailable` look whether it was made
        (`list_log_streams`) before asking again: a second call makes a second log stream.
        """
        chosen = [_replica(replica) for replica in replicas]
        request = pb.AddLogStreamRequest(topic_id=topic_id, replicas=chosen)
        reply = await answer(self._stub.AddLogStream(request, timeout=timeout_s))
        return convert.log_stream(reply.log_stream)

    async def get_log_stream(
        self, topic_id: TopicId, log_stream_id: LogStreamId, *, timeout_s: float | None = None
    ) -> LogStream:
        """One log stream."""
        request = pb.GetLogStreamRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        reply = await answer(self._stub.GetLogStream(request, timeout=self._within(timeout_s)))
        return convert.log_stream(reply.log_stream)

    async def list_log_streams(
        self, topic_id: TopicId, *, timeout_s: float | None = None
    ) -> tuple[LogStream, ...]:
        """The topic's log streams."""
        request = pb.ListLogStreamsRequest(topic_id=topic_id)
        reply = await answer(self._stub.ListLogStreams(request, timeout=self._within(timeout_s)))
        return tuple(convert.log_stream(stream) for stream in reply.log_streams)

    async def update_log_stream(
        self,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        *,
        popped: Replica,
        pushed: Replica,
        timeout_s: float | None = None,
    ) -> LogStream:
        """Puts `pushed` in the place of `popped`; again is no error.

        The log stream must not be running, and one of its replicas must be SEALED. In the primary's place
        the new node is the primary. The cluster then copies the entries; unseal when all say SEALED.
        """
        request = pb.UpdateLogStreamRequest(
            topic_id=topic_id,
            log_stream_id=log_stream_id,
            popped_replica=_replica(popped),
            pushed_replica=_replica(pushed),
        )
        reply = await answer(self._stub.UpdateLogStream(request, timeout=self._within(timeout_s)))
        return convert.log_stream(reply.log_stream)

    async def unregister_log_stream(
        self, topic_id: TopicId, log_stream_id: LogStreamId, *, timeout_s: float | None = None
    ) -> None:
        """Removes a log stream, which must be sealed. Its entries stay on the nodes until they clean up."""
        request = pb.UnregisterLogStreamRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        await answer(self._stub.UnregisterLogStream(request, timeout=self._within(timeout_s)))

    async def remove_log_stream_replica(
        self,
        storage_node_id: StorageNodeId,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Deletes a replica that the log stream no longer has, entries and all."""
        request = pb.RemoveLogStreamReplicaRequest(
            storage_node_id=storage_node_id, topic_id=topic_id, log_stream_id=log_stream_id
        )
        await answer(self._stub.RemoveLogStreamReplica(request, timeout=self._within(timeout_s)))

    async def seal(
        self, topic_id: TopicId, log_stream_id: LogStreamId, *, timeout_s: float | None = None
    ) -> SealResult:
        """Stops appends and drops what is not committed. Call again until every replica says SEALED."""
        request = pb.SealRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        reply = await answer(self._stub.Seal(request, timeout=self._within(timeout_s)))
        states = tuple(convert.replica_state(state) for state in reply.log_streams)
        return SealResult(sealed_glsn=GLSN(reply.sealed_glsn), replicas=states)

    async def unseal(
        self, topic_id: TopicId, log_stream_id: LogStreamId, *, timeout_s: float | None = None
    ) -> LogStream:
        """Allows appends again. Call it when every replica says SEALED: before that, appends may hang."""
        request = pb.UnsealRequest(topic_id=topic_id, log_stream_id=log_stream_id)
        reply = await answer(self._stub.Unseal(request, timeout=self._within(timeout_s)))
        return convert.log_stream(reply.log_stream)

    async def sync(
        self,
        topic_id: TopicId,
        log_stream_id: LogStreamId,
        *,
        source: StorageNodeId,
        destination: StorageNodeId,
        timeout_s: float | None = None,
    ) -> SyncStatus:
        """Begins to copy entries from a SEALED replica to a SEALING one, or tells how far that is.

        Call again until COMPLETE, then `seal`. Only for a log stream that is sealed: a running one is
        refused, **and the cluster has sealed it all the same.**
        """
        request = pb.SyncRequest(
            topic_id=topic_id,
            log_stream_id=log_stream_id,
            src_storage_node_id=source,
            dst_storage_node_id=destination,
        )
        reply = await answer(self._stub.Sync(request, timeout=self._within(timeout_s)))
        return convert.sync_status(reply.status)


def _replica(replica: Replica) -> varlogpb_pb2.ReplicaDescriptor:
    return varlogpb_pb2.ReplicaDescriptor(
        storage_node_id=replica.storage_node_id,
        storage_node_path=replica.storage_node_path,
        data_path=replica.data_path,
    )
