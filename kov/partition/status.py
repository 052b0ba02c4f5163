"""What there is to see of a partition from outside, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from kov.partition.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """`queued_batches`: taken, and not sent since the last opening; `in_doubt_batches`: sent and not
    confirmed when the writer ended. `held_bytes`: of all batches that aren't settled. Offsets are -1 before
    this process looked into the log. `storage_node`: where its appends go, if it writes. `failure`: why it
    can't be opened as it is; `waits_for`: what its opening waits for, once it has said so in the log.
    """

    state: State
    epoch: int
    start_offset: int
    end_offset: int
    queued_batches: int
    in_doubt_batches: int
    in_flight_appends: int
    held_bytes: int
    storage_node: int | None
    failure: str
    waits_for: str
