"""What `kov inspect` says to programs. Pure."""

from __future__ import annotations

from google.protobuf.message import Message

from kov.entries import BatchEntry, ControlEntry
from kov.partition import control
from kov.partition.fold import Fold
from kov.pb.control_pb2 import Claim, Fence, Repair, Snapshot
from kov.records import BatchHeader
from kov.tools.inspect.report import codec, what
from kov.tools.inspect.walk import Seen


def entry_facts(seen: Seen) -> dict[str, object]:
    """One entry."""
    told: dict[str, object] = {"llsn": seen.llsn, "what": what(seen), "bytes": seen.size}
    entry = seen.entry
    if isinstance(entry, BatchEntry):
        told |= _batch(entry.header)
    elif isinstance(entry, ControlEntry):
        told |= {"kind": entry.kind.name.lower(), "epoch": entry.epoch} | _control(entry, entry.message)
    return told | ({"why": seen.why} if seen.why else {})


def _batch(header: BatchHeader) -> dict[str, object]:
    told: dict[str, object] = {
        "base_offset": header.base_offset,
        "records": header.record_count,
        "epoch": header.leader_epoch,
        "codec": codec(header.codec),
        "max_timestamp_ms": header.max_timestamp,
    }
    if header.idempotent:
        told |= {
            "producer_id": header.producer_id,
            "producer_epoch": header.producer_epoch,
            "base_sequence": header.base_sequence,
        }
    return told


def _control(entry: ControlEntry, message: Message) -> dict[str, object]:
    if not isinstance(message, Fence | Snapshot | Claim | Repair):
        return {}
    told: dict[str, object] = {"node": message.writer.node_id, "time_ms": message.time_ms}
    if not isinstance(message, Claim):
        told |= {
            "as_of_llsn": message.state.as_of_llsn,
            "next_offset": message.state.next_offset,
            "producers": len(message.state.producers),
            "previous_control_llsn": control.previous(entry),
        }
    return told


def state_facts(fold: Fold, *, with_producers: bool) -> dict[str, object]:
    position = fold.position
    told: dict[str, object] = {
        "as_of_llsn": position.llsn,
        "epoch": position.epoch,
        "writer": fold.writer.node.node_id if fold.writer else None,
        "next_offset": position.next_offset,
        "max_timestamp_ms": position.max_timestamp_ms,
        "producer_count": len(fold.producers),
    }
    if with_producers:
        told["producers"] = [
            {
                "producer_id": producer_id,
                "epoch": producer.epoch,
                "last_sequence": producer.last_sequence,
                "last_base_offset": producer.batches[-1].base_offset,
                "last_seen_ms": producer.last_seen_ms or None,
            }
            for producer_id, producer in fold.producers.items()
        ]
    return told
