"""How the server says no: every status code and text in one place.

The texts are Varlog's own, to the letter: clients tell some refusals apart by their text alone. A
refusal of Append is wrapped twice by a real storage node, hence `doubled`. `causes` travel in the
`grpc-status-details-bin` trailer, outermost first; where a real server sends none, there are none.
"""

from __future__ import annotations

from grpc import StatusCode

_GO_NAMES = {StatusCode.INVALID_ARGUMENT: "InvalidArgument", StatusCode.NOT_FOUND: "NotFound"}


class Refusal(Exception):
    """An RPC ends with this status instead of an answer."""

    def __init__(self, code: StatusCode, text: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text
        self.causes = causes


def doubled(refusal: Refusal) -> Refusal:
    """The same refusal as an append stream words it."""
    name = _GO_NAMES[refusal.code]
    return Refusal(refusal.code, f"rpc error: code = {name} desc = {refusal.text}")


def explained(code: StatusCode, text: str, *causes: str) -> Refusal:
    """A refusal whose text and causes are also sent as error details."""
    return Refusal(code, text, (text, *causes))


# Storage node


def no_payload() -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, "no payload")


def invalid_topic(topic_id: int) -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, f"invalid topic {topic_id}")


def invalid_log_stream(log_stream_id: int) -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, f"invalid log stream {log_stream_id}")


def unmatched_ids() -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, "unmatched topic or logstream")


def no_such_log_stream() -> Refusal:
    return Refusal(StatusCode.NOT_FOUND, "no such log stream")


def malformed_append() -> Refusal:
    text = "grpc: failed to unmarshal the received message: unexpected EOF"
    return Refusal(StatusCode.INTERNAL, text)


def malformed_request() -> Refusal:
    return Refusal(StatusCode.INTERNAL, "grpc: error unmarshalling request: unexpected EOF")


def sealed() -> Refusal:
    return Refusal(StatusCode.FAILED_PRECONDITION, "sealed")


def closed() -> Refusal:
    return Refusal(StatusCode.UNKNOWN, "closed")


def shutting_down() -> Refusal:
    return Refusal(StatusCode.UNAVAILABLE, "varlog-lite is shutting down")


def invalid_range() -> Refusal:
    text = "log stream: invalid range: invalid argument"
    return explained(StatusCode.INVALID_ARGUMENT, text, "invalid argument")


def trimmed() -> Refusal:
    text = "log stream: logstream: trimmed"
    return explained(StatusCode.OUT_OF_RANGE, text, "logstream: trimmed")


def corrupt(reason: str) -> Refusal:
    text = f"log stream: {reason}: storage: corrupt"
    return explained(StatusCode.DATA_LOSS, text, f"{reason}: storage: corrupt", "storage: corrupt")


def no_room(reason: str) -> Refusal:
    return Refusal(StatusCode.RESOURCE_EXHAUSTED, f"storage: no room: {reason}")


def storage_failed(reason: str) -> Refusal:
    return Refusal(StatusCode.INTERNAL, f"storage: {reason}")


def trim_beyond(glsn: int, high_watermark: int) -> str:
    """The error text of one trim result, not a status."""
    return f"log stream: trim: {glsn} not appended, global high watermark {high_watermark}"


# Admin server


def get_topic_unknown(topic_id: int) -> Refusal:
    return Refusal(StatusCode.NOT_FOUND, f"get topic: no such topic {topic_id}")


def describe_topic_unknown(topic_id: int) -> Refusal:
    text = f"no such topic (topicID={topic_id}): not exist"
    return explained(StatusCode.UNAVAILABLE, text, "not exist")


def topic_of_log_stream_unknown(call: str, topic_id: int) -> Refusal:
    return Refusal(StatusCode.NOT_FOUND, f"{call}: no such topic: tpid {topic_id}")


def get_log_stream_unknown(topic_id: int, log_stream_id: int) -> Refusal:
    text = f"get log stream: no log stream in the topic: tpid {topic_id}, lsid {log_stream_id}"
    return Refusal(StatusCode.NOT_FOUND, text)


def log_stream_unknown(log_stream_id: int) -> Refusal:
    return Refusal(StatusCode.NOT_FOUND, f"ls {log_stream_id}")


def unseal_wrong_topic() -> Refusal:
    return explained(StatusCode.UNKNOWN, "snmcl: not exist", "not exist")


def log_stream_not_exist() -> Refusal:
    return explained(StatusCode.UNKNOWN, "log stream: not exist", "not exist")


def unregister_topic_unknown() -> Refusal:
    return Refusal(StatusCode.UNKNOWN, "storage node: not exist")


def unregister_running_log_stream() -> Refusal:
    text = "unregister log stream: invalid log stream status: LS_STATUS_RUNNING"
    return explained(StatusCode.UNKNOWN, text)


def get_storage_node_unknown(storage_node_id: int) -> Refusal:
    return Refusal(StatusCode.NOT_FOUND, f"get storage node: {storage_node_id}")


def storage_node_not_idle(replica: str) -> Refusal:
    text = f"unregister storage node: non-idle replicas: {replica}"
    return Refusal(StatusCode.FAILED_PRECONDITION, text)


def storage_node_needed() -> Refusal:
    text = "unregister storage node: varlog-lite is its own and only storage node"
    return Refusal(StatusCode.FAILED_PRECONDITION, text)


def add_topic_unknown(topic_id: int) -> Refusal:
    text = f"add log stream: rpc error: code = NotFound desc = topic {topic_id} is not found"
    return Refusal(StatusCode.NOT_FOUND, text)


def add_log_stream_wrong_replicas(actual: int) -> Refusal:
    text = f"add log stream: invalid number of log stream replicas: expected 1, actual {actual}"
    return Refusal(StatusCode.FAILED_PRECONDITION, text)


def add_log_stream_unknown_node(storage_node_id: int) -> Refusal:
    text = f"add log stream: no such storage node: snid {storage_node_id}"
    return Refusal(StatusCode.FAILED_PRECONDITION, text)


def add_log_stream_wrong_path(path: str) -> Refusal:
    text = f"add log stream: rpc error: code = Unknown desc = open {path}: no such file or directory"
    return Refusal(StatusCode.UNKNOWN, text)


def update_same_replica() -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, "update log stream: the same replica")


def update_unknown(log_stream_id: int) -> Refusal:
    return Refusal(StatusCode.NOT_FOUND, f"update log stream: no such log stream {log_stream_id}")


def remove_current_replica() -> Refusal:
    text = "remove log stream replica: appendable log stream"
    return Refusal(StatusCode.FAILED_PRECONDITION, text)


def remove_replica_unknown() -> Refusal:
    return Refusal(StatusCode.UNKNOWN, "remove log stream replica: snmcl: not exist")


def remove_replica_unknown_node() -> Refusal:
    return Refusal(StatusCode.UNKNOWN, "remove log stream replica: storage node: not exist")


def trim_unknown_topic(topic_id: int) -> Refusal:
    return explained(StatusCode.UNKNOWN, f"trim: no such topic {topic_id}")


def storage_node_exists(storage_node_id: int, address: str) -> Refusal:
    text = f"add storage node: rpc error: code = AlreadyExists desc = sn {storage_node_id}, addr:{address}"
    return Refusal(StatusCode.ALREADY_EXISTS, text)


def metadata_repository_unknown() -> Refusal:
    return Refusal(StatusCode.UNKNOWN, "admin: no such mr")


def metadata_repository_node_unknown(node_id: int) -> Refusal:
    text = f"mrmcl: rpc error: code = NotFound desc = node {node_id}"
    return Refusal(StatusCode.NOT_FOUND, text)


def metadata_repository_peer_unknown(node_id: int) -> Refusal:
    cause = f"rpc error: code = NotFound desc = node {node_id}"
    return explained(StatusCode.UNKNOWN, f"mrmcl: {cause}", cause)


def one_node_only(what: str) -> Refusal:
    """A single process can't do this; a real cluster can."""
    return Refusal(StatusCode.FAILED_PRECONDITION, f"varlog-lite is a single node: {what}")


def not_served(instead: str) -> Refusal:
    """A call between the parts of a real cluster, which are one process here."""
    return Refusal(StatusCode.UNIMPLEMENTED, f"varlog-lite has no separate parts: use {instead}")


def unknown_method(service: str, method: str | None) -> Refusal:
    """`method` is None where the service itself isn't there."""
    what = f"service {service}" if method is None else f"method {method} for service {service}"
    return Refusal(StatusCode.UNIMPLEMENTED, f"unknown {what}")


def unknown_service() -> Refusal:
    """The health service knows the server as a whole only."""
    return Refusal(StatusCode.NOT_FOUND, "unknown service")
