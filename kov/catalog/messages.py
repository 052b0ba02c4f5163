"""Catalog entries as bytes, and a topic of the catalog as everybody else knows topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from kov import topic_config
from kov.catalog.fold import CatalogTopic
from kov.entries import Kind, pack
from kov.pb.catalog_pb2 import Abandoned, CatalogEntry, Configured, Created, Deleted, PartitionsAdded
from kov.topics import Origin, Topic
from varlog_client.types import LogStreamId, TopicId

# The catalog has no writer epochs: versions of names do their work.
_NO_EPOCH = 0


def created(
    *,
    uuid: UUID,
    name: str,
    against_version: int,
    time_ms: int,
    topic_id: TopicId,
    log_streams: Sequence[LogStreamId],
    config: Mapping[str, str],
) -> bytes:
    change = Created(topic_id=topic_id, log_stream_ids=log_streams, config=config)
    return _packed(
        CatalogEntry(uuid=uuid.bytes, name=name, against_version=against_version, created=change), time_ms
    )


def abandoned(*, uuid: UUID, name: str, against_version: int, time_ms: int) -> bytes:
    entry = CatalogEntry(uuid=uuid.bytes, name=name, against_version=against_version, abandoned=Abandoned())
    return _packed(entry, time_ms)


def deleted(topic: CatalogTopic, *, time_ms: int) -> bytes:
    return _packed(_about(topic, deleted=Deleted()), time_ms)


def configured(topic: CatalogTopic, config: Mapping[str, str], *, time_ms: int) -> bytes:
    """`config` is the whole new configuration."""
    return _packed(_about(topic, configured=Configured(config=config)), time_ms)


def partitions_added(topic: CatalogTopic, log_streams: Sequence[LogStreamId], *, time_ms: int) -> bytes:
    change = PartitionsAdded(log_stream_ids=log_streams)
    return _packed(_about(topic, partitions_added=change), time_ms)


def as_topic(topic: CatalogTopic) -> Topic:
    return Topic(
        name=topic.name,
        uuid=topic.uuid,
        topic_id=topic.topic_id,
        log_streams=topic.log_streams,
        origin=Origin.CATALOG,
        config=topic_config.from_text(topic.config),
    )


def _about(
    topic: CatalogTopic,
    *,
    deleted: Deleted | None = None,
    configured: Configured | None = None,
    partitions_added: PartitionsAdded | None = None,
) -> CatalogEntry:
    return CatalogEntry(
        uuid=topic.uuid.bytes,
        name=topic.name,
        against_version=topic.version,
        deleted=deleted,
        configured=configured,
        partitions_added=partitions_added,
    )


def _packed(entry: CatalogEntry, time_ms: int) -> bytes:
    entry.time_ms = time_ms
    return pack(Kind.CATALOG, _NO_EPOCH, entry)
