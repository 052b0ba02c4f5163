"""The stored form of the cluster's metadata: one small value per topic and log stream, and one for all.

A log stream's value names its last entry as of the last time it was written, a topic's its last GLSN:
that is what numbering goes on from where the entries themselves are gone. Otherwise the entries say it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import lmdb

from varlog_lite.directory import StoreUnusable
from varlog_lite.layout import Damaged
from varlog_lite.store import MetaValue, Store
from varlog_lite.streams import LogStream, Position, Status, Topic

FORMAT = 1
_CLUSTER_KEY = b"cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRecord:
    """`applied_index` grows by one with every change of the metadata; ids are never used twice."""

    cluster_id: int
    created_at: int
    applied_index: int = 1
    next_topic: int = 1
    next_log_stream: int = 1

    def changed(self) -> ClusterRecord:
        return replace(self, applied_index=self.applied_index + 1)

    def stored(self) -> MetaValue:
        return {
            "format": FORMAT,
            "cluster_id": self.cluster_id,
            "created_at": self.created_at,
            "applied_index": self.applied_index,
            "next_topic": self.next_topic,
            "next_log_stream": self.next_log_stream,
        }


@dataclass(slots=True, kw_only=True)
class Loaded:
    """What a start finds. `dropped` are log streams whose entries are still to be deleted."""

    cluster: ClusterRecord
    fresh: bool
    topics: dict[int, Topic] = field(default_factory=dict)
    log_streams: dict[int, LogStream] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)


def cluster_key() -> bytes:
    return _CLUSTER_KEY


def topic_key(topic_id: int) -> bytes:
    return b"topic/%010d" % topic_id


def log_stream_key(log_stream_id: int) -> bytes:
    return b"log_stream/%010d" % log_stream_id


def topic_value(topic: Topic, *, log_streams: tuple[int, ...] | None = None) -> MetaValue:
    ids = topic.log_streams if log_streams is None else log_streams
    return {"log_streams": list(ids), "last_glsn": topic.last_glsn}


def log_stream_value(
    stream: LogStream,
    *,
    status: Status | None = None,
    first_llsn: int | None = None,
    unregistered_at: int | None = None,
    unregistered_s: int | None = None,
    dropped: bool = False,
) -> MetaValue:
    """The log stream as it is, but for what is named."""
    return {
        "topic": stream.topic.topic_id,
        "status": int(stream.status if status is None else status),
        "first_llsn": stream.first_llsn if first_llsn is None else first_llsn,
        "last_llsn": stream.last_llsn,
        "last_glsn": stream.last_glsn,
        "unregistered_at": stream.unregistered_at if unregistered_at is None else unregistered_at,
        "unregistered_s": stream.unregistered_s if unregistered_s is None else unregistered_s,
        "dropped": dropped,
    }


def load(store: Store, cluster_id: int | None) -> Loaded:
    """Reads the metadata and each log stream's tail; without `cluster_id`, of whatever cluster it is.

    Blocks. Raises `StoreUnusable`.
    """
    try:
        return _load(store, cluster_id)
    except (Damaged, lmdb.Error) as error:
        raise StoreUnusable(f"{store.file} is damaged: {error}") from error


def _load(store: Store, cluster_id: int | None) -> Loaded:
    values = store.read_meta()
    loaded = _load_cluster(values.pop(_CLUSTER_KEY, None), cluster_id, store)
    if loaded.fresh and (values or store.marked):
        raise StoreUnusable(f"{store.file} is damaged: the metadata of {_CLUSTER_KEY.decode()} is missing")
    for key, value in sorted(values.items(), reverse=True):  # topics before log streams
        kind, _, number = key.partition(b"/")
        if kind == b"topic":
            loaded.topics[int(number)] = _load_topic(int(number), value)
        else:
            _load_log_stream(loaded, int(number), value, store)
    for stream in loaded.log_streams.values():
        stream.topic.last_glsn = max(stream.topic.last_glsn, stream.last_glsn)
        stream.topic.next_glsn = stream.topic.last_glsn + 1
    return loaded


def _load_cluster(value: MetaValue | None, cluster_id: int | None, store: Store) -> Loaded:
    if value is None:
        record = ClusterRecord(cluster_id=cluster_id or 0, created_at=int(time.time()))
        return Loaded(cluster=record, fresh=True)
    if value["format"] != FORMAT:
        raise StoreUnusable(
            f"the data in {store.path} has format {value['format']}; this program reads {FORMAT}"
        )
    there = _number(value, "cluster_id")
    if cluster_id not in (None, there):
        raise StoreUnusable(f"the data in {store.path} is of cluster {there}, not of cluster {cluster_id}")
    record = ClusterRecord(
        cluster_id=there,
        created_at=_number(value, "created_at"),
        applied_index=_number(value, "applied_index"),
        next_topic=_number(value, "next_topic"),
        next_log_stream=_number(value, "next_log_stream"),
    )
    return Loaded(cluster=record, fresh=False)


def _load_topic(topic_id: int, value: MetaValue) -> Topic:
    ids = value["log_streams"]
    assert isinstance(ids, list)
    return Topic(topic_id, last_glsn=_number(value, "last_glsn"), log_streams=tuple(ids))


def _load_log_stream(loaded: Loaded, log_stream_id: int, value: MetaValue, store: Store) -> None:
    if value["dropped"]:
        loaded.dropped.append(log_stream_id)
        return
    topic_id = _number(value, "topic")
    # The topic of an unregistered log stream may be gone; its ids are never used again.
    topic = loaded.topics.get(topic_id) or Topic(topic_id)
    last = Position(_number(value, "last_llsn"), _number(value, "last_glsn"))
    head = store.last_record(log_stream_id)
    if head is not None and head.last_llsn > last.llsn:
        last = Position(head.last_llsn, head.last_glsn)
    stream = LogStream(
        topic,
        log_stream_id,
        status=Status(_number(value, "status")),
        created_ns=time.time_ns(),
        first_llsn=_number(value, "first_llsn"),
        last=last,
        unregistered_at=_number(value, "unregistered_at"),
        unregistered_s=_number(value, "unregistered_s") if "unregistered_s" in value else 0,
    )
    if head is not None:
        stream.version = 1
        stream.last_commit_count = head.entry_count
    loaded.log_streams[log_stream_id] = stream


def _number(value: MetaValue, name: str) -> int:
    number = value[name]
    assert isinstance(number, int)
    return number
