"""What the catalog's entries mean: one pure fold, in LLSN order, the same for every node.

For each name the fold keeps a version (0 at first) and at most one living topic. For each uuid it knows
whether it is spent: used by a creation that took effect, or abandoned. An entry takes effect only if it was
made against the version that its name has now, and then:

- *created*: the name has no topic, the uuid is not spent, and no living topic uses its log streams. The topic
  lives, the uuid is spent, the version grows;
- *abandoned*: the uuid is not spent. It is now; the version stays, since the name's topic is not concerned;
- *deleted*, *configured*, *partitions added*: the name's topic has this uuid (and the added log streams are
  free). The topic changes or goes, the version grows.

Anything else is void for ever. So the first creation of a name wins, an entry that lands late can't bring
back what was deleted, and a creation that was abandoned before it landed never takes effect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from kov.entries import ControlEntry, Kind, UnknownControl, unpack
from kov.pb.catalog_pb2 import CatalogEntry, Configured, Created, PartitionsAdded
from kov.topics import invalid_name
from varlog_client.types import LLSN, LogStreamId, TopicId


class UnknownEntry(Exception):
    """An entry of a newer kov: nothing may be concluded or written from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogTopic:
    """A living topic. `version` is its name's; `config` as it was written, unknown keys included."""

    name: str
    uuid: UUID
    topic_id: TopicId
    log_streams: tuple[LogStreamId, ...]
    config: Mapping[str, str]
    version: int


class CatalogFold:
    """The state after the entries applied so far. Single-threaded, no I/O, no clock."""

    def __init__(self) -> None:
        self._topics: dict[str, CatalogTopic] = {}
        self._versions: dict[str, int] = {}
        self._spent: set[UUID] = set()
        self._owners: dict[LogStreamId, UUID] = {}
        self._deleted: dict[UUID, str] = {}
        self.applied = LLSN(0)
        """The LLSN of the last entry applied; 0 before the first."""

    @property
    def topics(self) -> Collection[CatalogTopic]:
        return self._topics.values()

    def topic(self, name: str) -> CatalogTopic | None:
        return self._topics.get(name)

    def version(self, name: str) -> int:
        """What the next entry about `name` must be made against."""
        return self._versions.get(name, 0)

    def spent(self, uuid: UUID) -> bool:
        """Whether a creation with this uuid can no longer take effect (it did already, or was abandoned)."""
        return uuid in self._spent

    def deleted(self, uuid: UUID) -> str | None:
        """The name of the topic of this uuid, if it was deleted."""
        return self._deleted.get(uuid)

    def owner(self, log_stream: LogStreamId) -> UUID | None:
        """The living topic that uses the log stream."""
        return self._owners.get(log_stream)

    def apply(self, llsn: LLSN, payload: bytes) -> bool:
        """Fold in the next entry; whether it took effect. Raises UnknownEntry, then nothing has changed."""
        effective = self._apply(llsn, payload)
        self.applied = llsn
        return effective

    def _apply(self, llsn: LLSN, payload: bytes) -> bool:
        match unpack(payload):
            case ControlEntry(kind=Kind.CATALOG, message=CatalogEntry() as entry):
                return self._apply_entry(llsn, entry)
            case UnknownControl(version=version, kind=kind):
                raise UnknownEntry(f"entry {llsn} is of kind {kind}, envelope version {version}")
            case _:
                return False

    def _apply_entry(self, llsn: LLSN, entry: CatalogEntry) -> bool:
        change = entry.WhichOneof("change")
        if change is None:  # a field of a later catalog.proto: parsed, and not understood
            raise UnknownEntry(f"entry {llsn} makes a change of an unknown kind")
        if len(entry.uuid) != 16 or entry.against_version != self.version(entry.name):
            return False
        uuid = UUID(bytes=entry.uuid)
        match change:
            case "created":
                return self._create(entry.name, uuid, entry.created)
            case "abandoned":
                return self._abandon(uuid)
            case "deleted":
                return self._change(entry.name, uuid, lambda _: None)
            case "configured":
                return self._change(entry.name, uuid, lambda topic: _configured(topic, entry.configured))
            case "partitions_added":
                return self._add_partitions(entry.name, uuid, entry.partitions_added)

    def _create(self, name: str, uuid: UUID, created: Created) -> bool:
        log_streams = tuple(LogStreamId(each) for each in created.log_stream_ids)
        usable = invalid_name(name) is None and created.topic_id > 0 and self._free(log_streams)
        if not usable or name in self._topics or uuid in self._spent:
            return False
        self._spent.add(uuid)
        self._put(
            CatalogTopic(
                name=name,
                uuid=uuid,
                topic_id=TopicId(created.topic_id),
                log_streams=log_streams,
                config=dict(created.config),
                version=self.version(name) + 1,
            )
        )
        return True

    def _abandon(self, uuid: UUID) -> bool:
        if uuid in self._spent:
            return False
        self._spent.add(uuid)
        return True

    def _add_partitions(self, name: str, uuid: UUID, added: PartitionsAdded) -> bool:
        log_streams = tuple(LogStreamId(each) for each in added.log_stream_ids)
        if not self._free(log_streams):
            return False
        return self._change(
            name, uuid, lambda topic: replace(topic, log_streams=topic.log_streams + log_streams)
        )

    def _change(self, name: str, uuid: UUID, changed: Callable[[CatalogTopic], CatalogTopic | None]) -> bool:
        topic = self._topics.get(name)
        if topic is None or topic.uuid != uuid:
            return False
        self._remove(topic)
        if (after := changed(topic)) is not None:
            self._put(replace(after, version=topic.version + 1))
        else:
            self._deleted[uuid] = name
        return True

    def _free(self, log_streams: tuple[LogStreamId, ...]) -> bool:
        """Usable for a topic: some, none twice, none in use."""
        distinct = len(set(log_streams)) == len(log_streams) > 0
        return distinct and not any(each <= 0 or each in self._owners for each in log_streams)

    def _put(self, topic: CatalogTopic) -> None:
        self._topics[topic.name] = topic
        self._versions[topic.name] = topic.version
        self._owners.update(dict.fromkeys(topic.log_streams, topic.uuid))

    def _remove(self, topic: CatalogTopic) -> None:
        del self._topics[topic.name]
        self._versions[topic.name] = topic.version + 1
        for log_stream in topic.log_streams:
            del self._owners[log_stream]


def _configured(topic: CatalogTopic, configured: Configured) -> CatalogTopic:
    return replace(topic, config=dict(configured.config))
