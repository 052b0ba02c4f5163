"""Requests other than Produce rows: every version of every API that both serve, good, bad and odd."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from kov.handlers import APIS
from tests.kov.kafka_table.batches import good
from tests.kov.kafka_table.rows import produce
from tests.kov.kafka_table.side import Side, asking
from tests.kov.wire.requests import Entity, frame

_STRANGER: Final = UUID(int=0x5EED)
_SHARED_APIS: Final = (0, 1, 2, 3, 10, 18, 22)


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    make: Callable[[Side], Entity | bytes]


def _versions(api_key: int) -> range:
    return APIS[api_key].versions


def api_versions() -> Iterator[Question]:
    names = {
        "": ("client", "1.0"), ", an empty name": ("", "1"), ", a name with spaces": ("a client", "1"),
        ", an empty version": ("client", ""), ", a name that begins with a dash": ("-client", "1"),
        ", a name with dots and dashes": ("my-client.x", "1-2.3"),
    }  # fmt: skip
    for version in _versions(18):
        for what, (name, number) in names.items():
            if version >= 3 or not what:
                fields = {"client_software_name": name, "client_software_version": number}
                yield Question(
                    f"ApiVersions v{version}{what}",
                    lambda _, v=version, f=fields: asking(18, v, **f),  # type: ignore[misc]
                )
    for version in (99, 32767, -1):
        tags = b"\0" if version > 0 else b""
        yield Question(f"ApiVersions v{version}", lambda _, v=version, t=tags: _header(18, v, t))  # type: ignore[misc]


def _header(api_key: int, version: int, rest: bytes = b"") -> bytes:
    return struct.pack(">hhih", api_key, version, 7, -1) + rest


def broken() -> Iterator[Question]:
    for key in _SHARED_APIS:
        behind = _versions(key)[-1] + 1
        if key != 18:
            yield Question(f"API {key} v{behind}", lambda _, k=key, v=behind: _header(k, v))  # type: ignore[misc]
            yield Question(f"API {key} v-1", lambda _, k=key: _header(k, -1))  # type: ignore[misc]
    for version in range(3):
        yield Question(
            f"Produce v{version}",
            lambda _, v=version: _header(0, v, frame(produce(_, 3, {"plain": []}))[10:]),  # type: ignore[misc]
        )
    yield Question("Fetch v3", lambda _: _header(1, 3))
    yield Question("ListOffsets v0", lambda _: _header(2, 0))
    yield Question("an unknown API", lambda _: _header(9999, 0))
    yield Question("a negative API", lambda _: _header(-1, 0))
    yield Question("a truncated Produce", lambda side: frame(produce(side, 9, {"plain": [_part()]}))[:-20])
    yield Question("a truncated Metadata", lambda _: frame(asking(3, 9, topics=[{"name": "plain"}]))[:-6])
    yield Question(
        "bytes behind a Metadata", lambda _: frame(asking(3, 1, topics=[{"name": "plain"}])) + b"more"
    )
    yield Question("no header", lambda _: b"\0\x03")
    yield Question(
        "a client id that isn't UTF-8",
        lambda _: struct.pack(">hhih", 3, 1, 7, 2) + b"\xff\xfe" + struct.pack(">i", 0),
    )
    yield Question(
        "a topic name that isn't UTF-8",
        lambda _: _header(3, 1) + struct.pack(">ih", 1, 3) + b"a\xff\xfe",
    )


def _part(index: int = 0) -> dict[str, object]:
    return {"index": index, "records": good()}


def produce_requests() -> Iterator[Question]:
    def asks(what: str, version: int, make: Callable[[Side], Entity]) -> Question:
        return Question(f"Produce v{version}, {what}", make)

    for version in _versions(0):
        yield asks("no topics", version, lambda side, v=version: produce(side, v, {}))  # type: ignore[misc]
        yield asks("no partitions", version, lambda side, v=version: produce(side, v, {"plain": []}))  # type: ignore[misc]
        for index in (-1, 6, 2**31 - 1):
            yield asks(
                f"partition {index}",
                version,
                lambda side, v=version, i=index: produce(side, v, {"plain": [_part(i)]}),  # type: ignore[misc]
            )
        yield asks(
            "an unknown topic and a known one without the partition",
            version,
            lambda side, v=version: produce(side, v, {"missing": [_part()], "plain": [_part(77)]}),  # type: ignore[misc]
        )
    for name in ("", "no such topic", "a" * 300, "__consumer_offsets"):
        yield asks(f"topic {name[:30]!r}", 9, lambda side, n=name: produce(side, 9, {n: [_part()]}))  # type: ignore[misc]
    yield asks(
        "a topic id that nothing has",
        13,
        lambda side: asking(
            0, 13, acks=-1, topic_data=[{"topic_id": _STRANGER, "partition_data": [_part()]}]
        ),
    )
    yield asks("acks=0", 9, lambda side: produce(side, 9, {"plain": [_part(5)]}, acks=0))
    yield asks(
        "acks=0, an unknown partition", 9, lambda side: produce(side, 9, {"plain": [_part(9)]}, acks=0)
    )
    yield asks(
        "acks=0, a batch that is none", 9,
        lambda side: produce(side, 9, {"plain": [{"index": 5, "records": b""}]}, acks=0),
    )  # fmt: skip
    yield asks(
        "acks=0, one good and one bad", 9,
        lambda side: produce(side, 9, {"plain": [_part(5), {"index": 4, "records": b""}]}, acks=0),
    )  # fmt: skip
    yield asks(
        "a transactional id and no transactional batch", 9,
        lambda side: produce(side, 9, {"plain": [_part(5)]}, transactional_id="t"),
    )  # fmt: skip


def list_offsets() -> Iterator[Question]:
    for version in _versions(2):
        for timestamp in (-1, -2, -3, -4, -5, -6, -7, 0, 1, 2**62):
            yield Question(
                f"ListOffsets v{version}, timestamp {timestamp}",
                lambda _, v=version, t=timestamp: _offsets(v, t, 0, 5),  # type: ignore[misc]
            )
        yield Question(f"ListOffsets v{version}, twice", lambda _, v=version: _offsets(v, -1, 5, 5))  # type: ignore[misc]
        yield Question(f"ListOffsets v{version}, unknown", lambda _, v=version: _offsets(v, -1, -1, 99))  # type: ignore[misc]
        yield Question(
            f"ListOffsets v{version}, an unknown topic",
            lambda _, v=version: _offsets(v, -1, 0, topic="missing"),  # type: ignore[misc]
        )
    yield Question("ListOffsets v4, an epoch to come", lambda _: _offsets(4, -1, 5, epoch=99))


def _offsets(version: int, timestamp: int, *indexes: int, topic: str = "plain", epoch: int = -1) -> Entity:
    parts = [
        {"partition_index": index, "timestamp": timestamp, "current_leader_epoch": epoch} for index in indexes
    ]
    topics = [{"name": topic, "partitions": parts}]
    return asking(2, version, replica_id=-1, isolation_level=0, topics=topics, timeout=timedelta(seconds=5))


def metadata() -> Iterator[Question]:
    for version in _versions(3):

        def ask(what: str, names: list[str] | None, *, version: int = version, **fields: object) -> Question:
            topics = None if names is None else [{"name": name, "topic_id": None} for name in names]
            return Question(
                f"Metadata v{version}, {what}",
                lambda _: asking(3, version, topics=topics, allow_auto_topic_creation=False, **fields),
            )

        yield ask("all in v0, none later", [])
        if version >= 1:
            yield ask("all", None)
        yield ask("two", ["small", "plain"])
        yield ask("one twice", ["small", "small"])
        yield ask("unknown and invalid", ["missing", "", ".", "..", "a b", "x" * 250, "ok.name"])
        if version >= 8:
            operations = {"include_topic_authorized_operations": True}
            if version <= 10:
                operations["include_cluster_authorized_operations"] = True
            yield ask("authorized operations", ["small"], **operations)
    for version in (10, 11, 12, 13):
        for what, name, uuid in (
            ("by id", None, "small"), ("by an unknown id", None, ""), ("by id and name", "small", "small"),
            ("neither id nor name", None, None),
        ):  # fmt: skip
            yield Question(
                f"Metadata v{version}, {what}",
                lambda side, v=version, n=name, u=uuid: asking(  # type: ignore[misc]
                    3, v, topics=[{"name": n, "topic_id": _STRANGER if u == "" else side.uuids.get(u)}]
                ),
            )


def init_producer_id() -> Iterator[Question]:
    for version in _versions(22):
        for producer, epoch in ((-1, -1), (5, -1), (-1, 3), (5, 3), (5, 32767), (-2, -2), (-2, 0)):
            if version >= 3 or producer == epoch == -1:
                fields = {"producer_id": producer, "producer_epoch": epoch}
                yield Question(
                    f"InitProducerId v{version}, producer {producer}, epoch {epoch}",
                    lambda _, v=version, f=fields: asking(22, v, transactional_id=None, **f),  # type: ignore[misc]
                )


def fetch() -> Iterator[Question]:
    for version in _versions(1):
        for offset in (0, 2, 3, 5, 6, 7, -1, 2**40):
            yield Question(
                f"Fetch v{version}, offset {offset}",
                lambda side, v=version, o=offset: _fetch(side, v, o),  # type: ignore[misc]
            )
        yield Question(f"Fetch v{version}, one byte", lambda side, v=version: _fetch(side, v, 0, max_bytes=1))  # type: ignore[misc]
        yield Question(
            f"Fetch v{version}, a partition's byte",
            lambda side, v=version: _fetch(side, v, 0, partition_bytes=1),  # type: ignore[misc]
        )
        yield Question(
            f"Fetch v{version}, unknown partitions",
            lambda side, v=version: _fetch(side, v, 0, indexes=(-1, 99)),  # type: ignore[misc]
        )
        yield Question(
            f"Fetch v{version}, an unknown topic",
            lambda side, v=version: _fetch(side, v, 0, topic="missing"),  # type: ignore[misc]
        )
        yield Question(
            f"Fetch v{version}, committed only",
            lambda side, v=version: _fetch(side, v, 3, isolation_level=1),  # type: ignore[misc]
        )
        if version >= 7:
            yield Question(
                f"Fetch v{version}, a session that isn't",
                lambda side, v=version: _fetch(side, v, 0, session_id=77, session_epoch=4),  # type: ignore[misc]
            )
            yield Question(
                f"Fetch v{version}, the end of a session that isn't",
                lambda side, v=version: _fetch(side, v, 0, session_id=77, session_epoch=-1),  # type: ignore[misc]
            )
        if version >= 9:
            yield Question(
                f"Fetch v{version}, an epoch to come",
                lambda side, v=version: _fetch(side, v, 0, leader_epoch=99),  # type: ignore[misc]
            )


FETCHED: Final = 5
"""The partition of the topic `plain` whose contents are the same on both sides, six records from 0 on."""


def _fetch(
    side: Side,
    version: int,
    offset: int,
    *,
    topic: str = "plain",
    indexes: tuple[int, ...] = (FETCHED,),
    max_bytes: int = 1 << 20,
    partition_bytes: int = 1 << 20,
    leader_epoch: int = -1,
    isolation_level: int = 0,
    session_id: int = 0,
    session_epoch: int = -1,
) -> Entity:
    parts = [
        {
            "partition": index,
            "fetch_offset": offset,
            "partition_max_bytes": partition_bytes,
            "current_leader_epoch": leader_epoch,
            "last_fetched_epoch": -1,
            "log_start_offset": -1,
        }
        for index in indexes
    ]
    return asking(
        1,
        version,
        replica_id=-1,
        max_wait=timedelta(0),
        min_bytes=1,
        max_bytes=max_bytes,
        isolation_level=isolation_level,
        session_id=session_id,
        session_epoch=session_epoch,
        topics=[{"topic": topic, "topic_id": side.uuids.get(topic, _STRANGER), "partitions": parts}],
    )


QUESTIONS: Final = (
    *api_versions(),
    *broken(),
    *metadata(),
    *list_offsets(),
    *init_producer_id(),
    *fetch(),
    *produce_requests(),
)
