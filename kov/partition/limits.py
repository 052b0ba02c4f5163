"""The partition room's bounds and pauses, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from kov.partition.identity import ProducerBounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds.

    pipeline: appends in flight, 1..8. max_run_bytes: an append takes what waits until it is this large.
    max_queued_bytes: what may wait or be in flight in one partition; past that batches are turned away, so
    that one log stream that takes nothing doesn't use up the memory of all.
    snapshot_entries, snapshot_bytes: how much may lie behind the newest control entry that recovery reads.
    watch_s: when an unanswered append counts as doubtful; doubled with each doubt in a row up to
    max_watch_s, so that a slow disk doesn't make partitions open again and again.
    retry_s, max_retry_s: the pauses between attempts to open. deposed_s: how long a deposed node leaves
    the partition alone before a producer may make it try again.
    follow_s: how long after its last read a partition that isn't written here is followed.
    """

    pipeline: int = 2
    max_run_bytes: int = 2 * 1024 * 1024
    max_queued_bytes: int = 128 * 1024 * 1024
    snapshot_entries: int = 1000
    snapshot_bytes: int = 64 * 1024 * 1024
    watch_s: float = 10.0
    max_watch_s: float = 60.0
    retry_s: float = 0.05
    max_retry_s: float = 1.0
    deposed_s: float = 2.0
    follow_s: float = 60.0
    producers: ProducerBounds = field(default_factory=ProducerBounds)
