"""What `kov inspect` says of entries and of the state behind them, to people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kov.entries import BatchEntry, ControlEntry, Entry
from kov.partition import control
from kov.partition.fold import Fold, Meaning
from kov.pb.control_pb2 import Claim, Fence, Repair, Snapshot, Writer
from kov.records import BatchHeader
from kov.tools.inspect.walk import Seen
from kov.tools.tables import Columns, counted
from kov.tools.times import time_text

UNTOLD: Final = "?"
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
_WORDS: Final = {
    Meaning.BATCH: "batch",
    Meaning.FENCE: "fence",
    Meaning.REPAIR: "repair",
    Meaning.VOID: "void",
}

COLUMNS: Final = Columns(
    names=("LLSN", "what", "offsets", "bytes", "epoch", "details"),
    right=frozenset({"LLSN", "bytes", "epoch"}),
    styles={"fence": "cyan", "snapshot": "cyan", "claim": "cyan", "repair": "magenta", "void": "yellow"},
)
PRODUCER_COLUMNS: Final = Columns(
    names=("producer id", "epoch", "last sequence", "last batch at", "last seen"),
    right=frozenset({"producer id", "epoch", "last sequence", "last batch at"}),
)


def row(seen: Seen) -> list[str]:
    return [
        str(seen.llsn),
        what(seen),
        _offsets(seen),
        str(seen.size),
        _epoch(seen.entry),
        _details(seen),
    ]


def what(seen: Seen) -> str:
    """One word: batch, fence, snapshot, claim, repair, void, or ? where that can't be told."""
    if seen.meaning is None:
        return UNTOLD
    if seen.meaning is Meaning.MARK:
        assert isinstance(seen.entry, ControlEntry)
        return seen.entry.kind.name.lower()
    return _WORDS[seen.meaning]


def state(place: str, log_stream: str, fold: Fold) -> list[tuple[str, str]]:
    """What the newest entry leaves behind, as names and values."""
    position, writer = fold.position, fold.writer
    opened = f"node {writer.node.node_id}" if writer and writer.node.node_id >= 0 else "nobody"
    return [
        ("partition", place),
        ("log stream", log_stream),
        ("as of entry", str(position.llsn)),
        ("epoch", f"{position.epoch}, of {opened}" if position.epoch else "0: never opened"),
        ("next offset", str(position.next_offset)),
        ("newest record", time_text(position.max_timestamp_ms)),
        ("producers", str(len(fold.producers))),
    ]


def producers(fold: Fold) -> list[list[str]]:
    """The newest last."""
    return [
        [
            str(producer_id),
            str(producer.epoch),
            str(producer.last_sequence),
            str(producer.batches[-1].base_offset),
            time_text(producer.last_seen_ms) if producer.last_seen_ms else "behind the last control entry",
        ]
        for producer_id, producer in fold.producers.items()
    ]


def counts(kinds: Mapping[str, int]) -> str:
    """`2 fences, 40 batches`, of the entries that were shown."""
    return ", ".join(f"{count:,} {_counted(kind, count)}" for kind, count in kinds.items())


def lines(pairs: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in pairs) + 2
    return [f"{name.ljust(width)}{value}" for name, value in pairs]


def _counted(kind: str, count: int) -> str:
    if kind == UNTOLD:
        return "not to be judged"
    if kind == "void" or count == 1:
        return kind
    return f"{kind}es" if kind == "batch" else f"{kind}s"


def _offsets(seen: Seen) -> str:
    if seen.first_offset is None or not isinstance(seen.entry, BatchEntry):
        return ""
    return _range(seen.first_offset, seen.entry.header.record_count)


def _range(first: int, count: int) -> str:
    return f"{first}-{first + count - 1}" if count > 1 else str(first)


def _epoch(entry: Entry) -> str:
    if isinstance(entry, BatchEntry):
        return str(entry.header.leader_epoch)
    return str(entry.epoch) if isinstance(entry, ControlEntry) else ""


def _details(seen: Seen) -> str:
    entry = seen.entry
    if isinstance(entry, BatchEntry):
        text = _batch(entry.header)
    elif isinstance(entry, ControlEntry):
        text = _control(entry)
    else:
        text = ""
    return "; ".join(part for part in (seen.why, text) if part)


def _batch(header: BatchHeader) -> str:
    text = (
        f"{counted(header.record_count, 'record')}, {codec(header.codec)}, {time_text(header.max_timestamp)}"
    )
    if not header.idempotent:
        return text
    sequences = f"{header.base_sequence}-{header.last_sequence}"
    return f"{text}, producer {header.producer_id} epoch {header.producer_epoch} sequence {sequences}"


def _control(entry: ControlEntry) -> str:
    message = entry.message
    if not isinstance(message, Fence | Snapshot | Claim | Repair):
        return ""
    text = f"by {node(message.writer)}, {time_text(message.time_ms)}"
    known = control.as_of(entry)
    if known is None:
        return text
    assert not isinstance(message, Claim)
    state = message.state
    return (
        f"{text}, state as of {known}: epoch {state.epoch}, next offset {state.next_offset}, "
        f"{counted(len(state.producers), 'producer')}; entry before: {control.previous(entry) or 'none'}"
    )


def node(writer: Writer) -> str:
    """`node 1 (default 127.0.0.1:9092)`, or `nobody`: a deletion, or a repair."""
    if writer.node_id < 0:
        return "nobody"
    addresses = ", ".join(f"{name} {address}" for name, address in sorted(writer.addresses.items()))
    return f"node {writer.node_id} ({addresses})" if addresses else f"node {writer.node_id}"


def codec(number: int) -> str:
    return CODECS[number] if number < len(CODECS) else f"codec {number}"
