"""Catalog entries as bytes, and the topic configuration as the text that stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from kov.catalog.fold import CatalogTopic
from kov.entries import Kind, pack
from kov.pb.catalog_pb2 import Abandoned, CatalogEntry, Created
from kov.topics import DEFAULT_MAX_MESSAGE_BYTES, Origin, TimestampType, Topic, TopicConfig
from varlog_client.types import LogStreamId, TopicId

_MAX_MESSAGE_BYTES = "max.message.bytes"
_TIMESTAMP_TYPE = "message.timestamp.type"
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
    return _packed(uuid, name, against_version, time_ms, created=change)


def abandoned(*, uuid: UUID, name: str, against_version: int, time_ms: int) -> bytes:
    return _packed(uuid, name, against_version, time_ms, abandoned=Abandoned())


def config_to_text(config: TopicConfig) -> dict[str, str]:
    """Only what differs from the defaults, so that a better default reaches topics made before."""
    written = {}
    if config.max_message_bytes != DEFAULT_MAX_MESSAGE_BYTES:
        written[_MAX_MESSAGE_BYTES] = str(config.max_message_bytes)
    if config.timestamp_type is not TimestampType.CREATE_TIME:
        written[_TIMESTAMP_TYPE] = config.timestamp_type.value
    return written


def config_from_text(written: Mapping[str, str]) -> TopicConfig:
    """Never raises: keys and values that this program doesn't know leave the default."""
    size = written.get(_MAX_MESSAGE_BYTES, "")
    known_types = {each.value: each for each in TimestampType}
    return TopicConfig(
        max_message_bytes=int(size) if size.isascii() and size.isdigit() else DEFAULT_MAX_MESSAGE_BYTES,
        timestamp_type=known_types.get(written.get(_TIMESTAMP_TYPE, ""), TimestampType.CREATE_TIME),
    )


def as_topic(topic: CatalogTopic) -> Topic:
    return Topic(
        name=topic.name,
        uuid=topic.uuid,
        topic_id=topic.topic_id,
        log_streams=topic.log_streams,
        origin=Origin.CATALOG,
        config=config_from_text(topic.config),
    )


def _packed(
    uuid: UUID,
    name: str,
    against_version: int,
    time_ms: int,
    *,
    created: Created | None = None,
    abandoned: Abandoned | None = None,
) -> bytes:
    entry = CatalogEntry(
        uuid=uuid.bytes,
        name=name,
        against_version=against_version,
        time_ms=time_ms,
        created=created,
        abandoned=abandoned,
    )
    return pack(Kind.CATALOG, _NO_EPOCH, entry)
