"""What one entry of a log stream is: a stamped record batch, a control entry of ours, or foreign bytes.

The envelope of control entries never changes, so that every version can tell what it doesn't understand:

    0 magic ff 6b 6f 76 · 4 envelope version · 5 kind · 6 zero · 8 epoch · 12 CRC-32C of message · 16 message

The first byte decides: a batch begins with its base offset, which is never negative.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from crc32c import crc32c
from google.protobuf.message import DecodeError, Message

from kov.pb.catalog_pb2 import CatalogEntry
from kov.pb.control_pb2 import Claim, Fence, Repair, Snapshot
from kov.records import HEADER_SIZE, BatchHeader, read_header

ENVELOPE_VERSION: Final = 1
_MAGIC: Final = b"\xffkov"
_ENVELOPE: Final = struct.Struct(">4sBBHiI")
ENVELOPE_SIZE: Final = _ENVELOPE.size


class Kind(IntEnum):
    FENCE = 1
    SNAPSHOT = 2
    CLAIM = 3
    REPAIR = 4
    CATALOG = 0x20


_MESSAGES: Final[dict[int, type[Message]]] = {
    Kind.FENCE: Fence,
    Kind.SNAPSHOT: Snapshot,
    Kind.CLAIM: Claim,
    Kind.REPAIR: Repair,
    Kind.CATALOG: CatalogEntry,
}


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A record batch as stored: `header.base_offset` and `header.leader_epoch` are the writer's stamps."""

    header: BatchHeader
    size: int


@dataclass(frozen=True, slots=True)
class ControlEntry:
    kind: Kind
    epoch: int
    message: Message


@dataclass(frozen=True, slots=True)
class UnknownControl:
    """A control entry of a newer program: whoever meets it must not write."""

    version: int
    kind: int


@dataclass(frozen=True, slots=True)
class ForeignEntry:
    """Bytes of a program that isn't ours, or damaged ones of ours: void in every fold."""


Entry = BatchEntry | ControlEntry | UnknownControl | ForeignEntry
_FOREIGN: Final = ForeignEntry()


def pack(kind: Kind, epoch: int, message: Message) -> bytes:
    """The bytes of a control entry. Equal messages may differ in bytes: compare messages, not entries."""
    body = message.SerializeToString()
    return _ENVELOPE.pack(_MAGIC, ENVELOPE_VERSION, kind, 0, epoch, crc32c(body)) + body


def unpack(payload: bytes) -> Entry:
    """What `payload` is. Never raises: whatever can't be read is foreign."""
    if payload[:1] and payload[0] < 0x80:
        return _unpack_batch(payload)
    if len(payload) < ENVELOPE_SIZE or not payload.startswith(_MAGIC):
        return _FOREIGN
    _, version, kind, _, epoch, checksum = _ENVELOPE.unpack_from(payload)
    body = payload[ENVELOPE_SIZE:]
    if crc32c(body) != checksum:
        return _FOREIGN
    if version != ENVELOPE_VERSION or kind not in _MESSAGES:
        return UnknownControl(version, kind)
    try:
        return ControlEntry(Kind(kind), epoch, _MESSAGES[kind].FromString(body))
    except DecodeError:
        return _FOREIGN


def _unpack_batch(payload: bytes) -> Entry:
    if len(payload) < HEADER_SIZE:
        return _FOREIGN
    header = read_header(payload)
    whole = header.length + 12 == len(payload)
    dense = header.record_count > 0 and header.last_offset_delta == header.record_count - 1
    if header.magic != 2 or not whole or not dense:
        return _FOREIGN
    return BatchEntry(header, len(payload))
