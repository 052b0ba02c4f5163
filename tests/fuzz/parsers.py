"""What reads bytes of strangers, each as one function of bytes that must not raise and must not take long.

`guided` runs them under atheris, the tests with fixed and with random bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from crc32c import crc32c

from kov import entries, record_checks, record_contents, records
from kov.catalog.fold import CatalogFold, UnknownEntry
from kov.entries import ControlEntry, Kind
from kov.errors import KafkaError, ProtocolError
from kov.handlers import APIS
from kov.partition import control
from kov.partition.fold import Fold, Unusable
from kov.partition.identity import PartitionIdentity, WriterIdentity, WriterStamp
from kov.pb.catalog_pb2 import CatalogEntry, Created
from kov.topic_config import TIMESTAMP_BEFORE_MAX_MS, TimestampType, TopicConfig
from kov.wire import messages
from kov.wire.frames import FrameBuffer
from tests.builders import batch, idempotent
from tests.fuzz import batches
from tests.fuzz.corpus import recorded
from tests.fuzz.mutating import laid_out
from varlog_client.types import LLSN

_NOW_MS: Final = 1_800_000_000_000
_MAX_FRAME: Final = 40_000
_HOUR_MS: Final = 3_600_000
_PARTITION: Final = PartitionIdentity(cluster_id=1, topic_uuid=UUID(int=7), index=0)
_STAMP: Final = WriterStamp(attempt_id=b"attempt", node=WriterIdentity(node_id=1, addresses={"a": "b:1"}))
_CONFIGS: Final = (
    TopicConfig(),
    TopicConfig(timestamp_type=TimestampType.LOG_APPEND_TIME),
    TopicConfig(compacted=True),
    TopicConfig(timestamp_before_max_ms=_HOUR_MS, written={TIMESTAMP_BEFORE_MAX_MS: str(_HOUR_MS)}),
)


def frames(data: bytes) -> None:
    """A stream of frames, in pieces: [count of pieces, their sizes], then the stream."""
    count = data[0] % 8 if data else 0
    pieces, stream = [1 + 7 * size * size for size in data[1 : 1 + count]], data[1 + count :]
    buffer = FrameBuffer(_MAX_FRAME)
    found: list[bytes] = []
    broke = False
    at = 0
    while at < len(stream) and not broke:
        room = buffer.room()
        size = min(pieces.pop(0) if pieces else len(stream), len(room), len(stream) - at)
        room[:size] = stream[at : at + size]
        at += size
        try:
            found.extend(map(bytes, buffer.received(size)))
        except ProtocolError:
            broke = True
    assert (found, broke) == _cut_by_hand(stream), "the frames of a stream depend on its pieces"


def _cut_by_hand(stream: bytes) -> tuple[list[bytes], bool]:
    found, at = list[bytes](), 0
    while at + 4 <= len(stream):
        (size,) = struct.unpack_from(">i", stream, at)
        if not 0 <= size <= _MAX_FRAME:
            return found, True
        if at + 4 + size > len(stream):
            break
        found.append(stream[at + 4 : at + 4 + size])
        at += 4 + size
    return found, False


def requests(data: bytes) -> None:
    """One request without its size, read by kov and by a reader that isn't kov's."""
    try:
        head = messages.read_head(data)
        api = APIS.get(head.api_key)
        known = api is not None and head.api_version in api.versions
        if api is None or not known:
            return
        messages.decode(head, data, api.request)
        taken = True
    except ProtocolError:
        taken = False
    found = laid_out(data)
    if found is None or not found.doubtful:
        assert taken is (found is not None), "kov's reader and the other one disagree"


def record_batches(data: bytes) -> None:
    """The records of one partition, through every check, as they are and with a right checksum."""
    records.is_transactional(data)
    for given in (data, memoryview(data), batches.sealed(data)):
        try:
            found = bytes(records.sole_batch(given))
        except KafkaError:
            continue
        _check(found)
        record_contents.first_since(found, _NOW_MS)


def _check(found: bytes) -> None:
    header = records.read_header(found)
    for config in _CONFIGS:
        try:
            stored, after = record_checks.check(found, header, config, _NOW_MS)
        except KafkaError:
            continue
        assert records.checksum(stored) == after.crc == records.read_header(stored).crc
        assert len(stored) == len(found)
        entry = entries.unpack(records.stamp(stored, 5, 1))
        assert isinstance(entry, entries.BatchEntry), "what is accepted is void in the log"


def contents(data: bytes) -> None:
    """[codec, record count], then a payload."""
    if len(data) < 4:
        return
    codec, count = data[0] % 8, int.from_bytes(data[1:4], "big")
    header = struct.pack(">qiibIhiqqqhii", 0, 49, 0, 2, 0, codec, count - 1, 0, 0, -1, -1, -1, count)
    found = header + data[4:]
    record_contents.first_since(found, _NOW_MS)
    try:
        read = record_contents.read(found, records.read_header(found))
    except KafkaError:
        return
    assert len(read) == count


def log_entries(data: bytes) -> None:
    """Entries of a log stream: as they are, and as control entries with a right checksum."""
    fold, catalog = Fold(_PARTITION), CatalogFold()
    for llsn, payload in enumerate(_payloads(data), 1):
        entry = entries.unpack(payload)
        if isinstance(entry, ControlEntry):
            _look_at(entry)
        try:
            fold.apply(llsn, entry)
        except Unusable:
            return
        try:
            catalog.apply(LLSN(llsn), payload)
        except UnknownEntry:
            return
    _look_at(control.snapshot(fold, _STAMP, _NOW_MS))


def _payloads(data: bytes) -> Iterator[bytes]:
    """[how, size], then so many bytes, again and again."""
    while len(data) >= 3:
        how, size = data[0], int.from_bytes(data[1:3], "big")
        body, data = data[3 : 3 + size], data[3 + size :]
        if how == 0:
            yield body
        elif how < 0x80:
            yield _enveloped(how % 8 if how != Kind.CATALOG else how, body)
        else:
            yield batches.sealed(body)


def _enveloped(kind: int, body: bytes) -> bytes:
    packed = entries.pack(Kind.CLAIM, body[0] if body else 1, CatalogEntry())
    head = bytearray(packed[: entries.ENVELOPE_SIZE])
    head[5] = kind
    struct.pack_into(">I", head, 12, crc32c(body[1:]))
    return bytes(head) + body[1:]


def _look_at(entry: ControlEntry) -> None:
    """Everything that is asked of a control entry that was found."""
    control.as_of(entry)
    control.previous(entry)
    if control.belongs_to(entry, _PARTITION):
        control.positions_in(entry)
        again = control.restore(entry, _PARTITION)
        control.snapshot(again, _STAMP, _NOW_MS)


@dataclass(frozen=True, slots=True)
class Parser:
    """`run` raises nothing for any bytes; `seeds` are good ones to begin with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]


def _frame_seeds() -> Sequence[bytes]:
    stream = b"".join(struct.pack(">i", len(each)) + each for each in recorded()[:8])
    large = struct.pack(">i", 30_000) + bytes(30_000)
    return [b"\0" + stream, b"\3\1\2\3" + stream, b"\2\x20\x30" + large + stream, b"\0\0\0\0\0\xff"]


def _batch_seeds() -> Sequence[bytes]:
    made = [batch([b"v", None], keys=[b"k", None], codec=codec, timestamp_ms=_NOW_MS) for codec in range(5)]
    return [*made, idempotent(0, 3), batch(timestamp_ms=_NOW_MS + 3 * _HOUR_MS)]


def _content_seeds() -> Sequence[bytes]:
    payload = batch([b"v"] * 5)[61:]
    java = b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(batches.compressed(2, payload)))
    packed = [bytes([codec, 0, 0, 5]) + batches.compressed(codec, payload) for codec in range(5)]
    return [*packed, b"\2\0\0\5" + java + batches.compressed(2, payload)]


def _entry_seeds() -> Sequence[bytes]:
    fold = Fold(_PARTITION)
    fence = control.fence(fold, _STAMP, fold.bounds, _NOW_MS)
    fold.apply(1, fence)
    fold.apply(2, entries.unpack(records.stamp(idempotent(0, 3), 0, 1)))
    made = [fence, control.snapshot(fold, _STAMP, 5), control.claim(fold, _STAMP, 5)]
    made.append(control.repair(fold, _STAMP, None, 5))
    created = CatalogEntry(
        name="topic", uuid=UUID(int=9).bytes, created=Created(topic_id=1, log_stream_ids=[1, 2])
    )
    packed = [_chunk(each.kind, b"\1" + each.message.SerializeToString()) for each in made]
    packed.append(_chunk(Kind.CATALOG, b"\1" + created.SerializeToString()))
    stored = _chunk(0x80, records.stamp(idempotent(0, 3), 0, 1))
    return [*packed, stored, packed[0] + stored + packed[1] + packed[2], _chunk(0, b"foreign")]


def _chunk(how: int, body: bytes) -> bytes:
    return struct.pack(">BH", how, len(body)) + body


PARSERS: Final = {
    "frames": Parser(frames, _frame_seeds),
    "requests": Parser(requests, recorded),
    "batches": Parser(record_batches, _batch_seeds),
    "contents": Parser(contents, _content_seeds),
    "entries": Parser(log_entries, _entry_seeds),
}
