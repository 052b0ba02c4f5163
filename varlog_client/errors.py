"""Everything this package raises or hands to a callback.

Misuse (`ValueError`, `Closed`) is apart from what the cluster did. Of an append that ended without an
answer only one question matters, and the type answers it: `AppendRefused` was certainly not stored,
`AppendUnknown` may be stored now, later, or never.
"""

from __future__ import annotations

import re

import grpc.aio

from varlog_client.types import GLSN, LLSN, LogStreamId, StorageNodeId, TopicId


class VarlogError(Exception):
    """The root of this tree."""


class Closed(VarlogError):
    """The object was closed by its owner; nothing was sent."""


class NoRoom(VarlogError):
    """No slot of the appender became free within its call timeout; nothing was sent."""


class NotFound(VarlogError):
    """The cluster knows no such topic, log stream or storage node."""


class AlreadyExists(VarlogError):
    """The id or the address is taken."""


class FailedPrecondition(VarlogError):
    """The cluster is not in a state that allows the call."""


class InvalidArgument(VarlogError):
    """The cluster refused the call's values."""


class Unavailable(VarlogError):
    """No server that could answer was reached in time; trying again later may help."""


class Internal(VarlogError):
    """A server answered with a status that this package doesn't explain."""


class Trimmed(VarlogError):
    """The range asked for begins in a part that was trimmed.

    `begin` is an LLSN of `log_stream_id`, or a GLSN of the topic where `log_stream_id` is None.
    """

    def __init__(self, topic_id: TopicId, log_stream_id: LogStreamId | None, begin: LLSN | GLSN) -> None:
        where = (
            f"topic {topic_id}"
            if log_stream_id is None
            else f"log stream {log_stream_id} of topic {topic_id}"
        )
        super().__init__(f"{where}: {begin} was trimmed")
        self.topic_id = topic_id
        self.log_stream_id = log_stream_id
        self.begin = begin


class Corrupt(VarlogError):
    """A server broke the protocol: a gap in a range, or as many results as nobody asked for."""


class AppendError(VarlogError):
    """The end of an append that got no result; `log_stream_id` is where it was sent."""

    def __init__(self, message: str, *, log_stream_id: LogStreamId) -> None:
        super().__init__(f"log stream {log_stream_id}: {message}")
        self.log_stream_id = log_stream_id


class AppendRefused(AppendError):
    """Certainly not stored, now or later."""


class Sealed(AppendRefused):
    """The log stream, or its replica on this storage node, takes no appends until it is unsealed."""


class NotPrimary(AppendRefused):
    """The storage node holds a backup: the metadata read before is out of date."""

    def __init__(self, message: str, *, log_stream_id: LogStreamId, storage_node_id: StorageNodeId) -> None:
        super().__init__(message, log_stream_id=log_stream_id)
        self.storage_node_id = storage_node_id


class NoSuchLogStream(AppendRefused):
    """The storage node has no replica of the log stream."""


class AppendNotSent(AppendRefused):
    """The batch was never written to a stream: the appender, or the time for it, ended before."""


class AppendUnknown(AppendError):
    """The batch was sent and not answered. It may be stored now, or be stored later."""


class StreamBroken(AppendUnknown):
    """The connection or the storage node went away."""


class CallTimeout(AppendUnknown):
    """The answer did not come within the appender's call timeout."""


class AppenderClosed(AppendUnknown):
    """The appender was closed by its owner while the batch was in flight."""


_BY_CODE: dict[grpc.StatusCode, type[VarlogError]] = {
    grpc.StatusCode.OK: Internal,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.UNKNOWN: Internal,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: Internal,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Unavailable,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.UNIMPLEMENTED: Internal,
    grpc.StatusCode.INTERNAL: Internal,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DATA_LOSS: Corrupt,
    grpc.StatusCode.UNAUTHENTICATED: Internal,
}

# The admin server answers several of its refusals with UNKNOWN; only the text tells them apart.
_BY_UNKNOWN_TEXT: tuple[tuple[str, type[VarlogError]], ...] = (
    ("not exist", NotFound),
    ("no such topic", NotFound),
    ("no such mr", NotFound),
    ("code = NotFound", NotFound),
    ("invalid log stream status", FailedPrecondition),
    ("invalid state", FailedPrecondition),
    ("code = Unavailable", Unavailable),
    ("closed", Unavailable),
)

_PREFIX = re.compile(r"^rpc error: code = \w+ desc = ")


def from_rpc(error: grpc.aio.AioRpcError) -> VarlogError:
    """What a failed unary call means. Streams know more than this and judge their ends themselves."""
    text = status_text(error)
    if error.code() is grpc.StatusCode.UNAVAILABLE and text.startswith("no such topic"):
        return NotFound(text)  # what DescribeTopic says
    if error.code() is grpc.StatusCode.UNKNOWN:
        for known, kind in _BY_UNKNOWN_TEXT:
            if known in text:
                return kind(text)
    return _BY_CODE[error.code()](f"{error.code().name}: {text}")


def status_text(error: grpc.aio.AioRpcError) -> str:
    """The status message without the prefix that a storage node puts there by wrapping its status twice."""
    return _PREFIX.sub("", error.details() or "")


def append_error(
    error: grpc.aio.AioRpcError, log_stream_id: LogStreamId, storage_node_id: StorageNodeId
) -> AppendError:
    """What the end of an append stream means for all its unanswered batches."""
    text = status_text(error)
    match error.code():
        case grpc.StatusCode.FAILED_PRECONDITION if text == "sealed":
            return Sealed("sealed", log_stream_id=log_stream_id)
        case grpc.StatusCode.UNAVAILABLE if text == "not primary replica":
            message = f"storage node {storage_node_id} holds no primary replica"
            return NotPrimary(message, log_stream_id=log_stream_id, storage_node_id=storage_node_id)
        case grpc.StatusCode.NOT_FOUND:
            message = f"storage node {storage_node_id} has no replica of it: {text}"
            return NoSuchLogStream(message, log_stream_id=log_stream_id)
        case grpc.StatusCode.INVALID_ARGUMENT:
            return AppendRefused(text, log_stream_id=log_stream_id)
        case code:
            message = f"storage node {storage_node_id}: {code.name}: {text}"
            return StreamBroken(message, log_stream_id=log_stream_id)
