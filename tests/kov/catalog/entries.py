"""Catalog entries as a test writes them: short, and with any values."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from kov.entries import Kind, pack
from kov.pb.catalog_pb2 import Abandoned, CatalogEntry, Configured, Created, Deleted, PartitionsAdded

A = UUID(int=0xA)
B = UUID(int=0xB)


def created(
    uuid: UUID,
    name: str = "orders",
    against: int = 0,
    log_streams: tuple[int, ...] = (1, 2),
    topic_id: int = 1,
    config: Mapping[str, str] | None = None,
) -> bytes:
    change = Created(topic_id=topic_id, log_stream_ids=log_streams, config=config or {})
    return packed(CatalogEntry(uuid=uuid.bytes, name=name, against_version=against, created=change))


def abandoned(uuid: UUID, name: str = "orders", against: int = 0) -> bytes:
    return packed(CatalogEntry(uuid=uuid.bytes, name=name, against_version=against, abandoned=Abandoned()))


def deleted(uuid: UUID, against: int, name: str = "orders") -> bytes:
    return packed(CatalogEntry(uuid=uuid.bytes, name=name, against_version=against, deleted=Deleted()))


def configured(uuid: UUID, against: int, config: Mapping[str, str], name: str = "orders") -> bytes:
    change = Configured(config=config)
    return packed(CatalogEntry(uuid=uuid.bytes, name=name, against_version=against, configured=change))


def partitions_added(uuid: UUID, against: int, log_streams: tuple[int, ...], name: str = "orders") -> bytes:
    change = PartitionsAdded(log_stream_ids=log_streams)
    return packed(CatalogEntry(uuid=uuid.bytes, name=name, against_version=against, partitions_added=change))


def packed(entry: CatalogEntry) -> bytes:
    return pack(Kind.CATALOG, 0, entry)
