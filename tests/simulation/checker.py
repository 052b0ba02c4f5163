"""What producers were told, held against what the log says, by a fold that shares no code with kov's.

It takes every entry in the moment it is committed and every answer in the moment it is given, and checks all
that can become wrong by it: what is acknowledged is in the fold, at its offset, once, in its producer's
order; nothing refused as certain is in it, or ever gets into it. What is in the fold stays there, since the
log only grows: so nothing has to be checked twice.

Every attempt to send a batch carries a value of its own, so that an attempt that was refused as certainly not
stored can be told from its retry.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from kov.pb.control_pb2 import Fence

CERTAINLY_NOT_STORED = {6, 56}


class Attempt(NamedTuple):
    producer: int
    number: int  # of the batch, among its producer's
    attempt: int
    node: int
    connection: int  # of the producer

    def value(self) -> bytes:
        return b"%d/%d/%d/%d/%d" % self


@dataclass
class Checker:
    """`offsets`: the valid batches so far, by their attempt. `epochs`: how often the epoch was raised."""

    offsets: dict[Attempt, int] = field(default_factory=dict)
    acknowledged: dict[Attempt, int] = field(default_factory=dict)
    refused: dict[tuple[int, int], list[tuple[Attempt, int]]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    epochs: int = 0
    _read: int = 0
    _epoch: int = 0
    _next: int = 0
    _stored: dict[tuple[int, int], Attempt] = field(default_factory=dict)
    _newest: dict[tuple[int, int], int] = field(default_factory=dict)

    def read(self, entries: list[bytes]) -> None:
        """Folds the entries that are new, and checks what can be wrong with each."""
        for payload in entries[self._read :]:
            self._take(payload)
        self._read = len(entries)

    def _take(self, payload: bytes) -> None:
        if payload[:4] == b"\xffkov":
            kind, epoch = payload[5], struct.unpack_from(">i", payload, 8)[0]
            if kind == 1 and epoch > self._epoch:
                assert Fence.FromString(payload[16:]).writer.attempt_id
                self._epoch = epoch
                self.epochs += 1
            return
        if not payload or payload[0] > 0x7F:
            return
        offset, _, epoch = struct.unpack_from(">qii", payload)
        if epoch != self._epoch or offset != self._next or not epoch:
            return
        self._next += struct.unpack_from(">i", payload, 57)[0]
        idempotent = struct.unpack_from(">q", payload, 43)[0] >= 0
        self._take_batch(attempt_in(payload), offset, idempotent=idempotent)

    def _take_batch(self, attempt: Attempt, offset: int, *, idempotent: bool) -> None:
        key = (attempt.producer, attempt.number)
        assert key not in self._stored, f"{attempt} doubles {self._stored[key]}"
        self._stored[key] = attempt
        self.offsets[attempt] = offset
        for refused, code in self.refused.get(key, ()):
            assert not covers(refused, code, attempt), f"{attempt} is stored, and {refused} was told {code}"
        # With a producer id its batches are dense; without one they keep their order on each connection.
        order = (attempt.producer, -1 if idempotent else attempt.connection)
        newest = self._newest.get(order, -1)
        if idempotent:
            assert attempt.number == newest + 1, f"{attempt} comes behind {newest}"
        assert attempt.number > newest, f"{attempt} was overtaken by {newest}"
        self._newest[order] = attempt.number

    def acknowledge(self, attempt: Attempt, offset: int) -> None:
        """`attempt`, or an earlier one of the same batch that it is a retry of, is stored at `offset`."""
        stored = self._stored.get((attempt.producer, attempt.number))
        assert stored is not None, f"{attempt} was acknowledged and is not in the log"
        assert self.offsets[stored] == offset, (
            f"{attempt} was acknowledged at {offset}, it is at {self.offsets[stored]}"
        )
        self.acknowledged[attempt] = offset

    def refuse(self, attempt: Attempt, code: int, name: str) -> None:
        self.told[name] = self.told.get(name, 0) + 1
        if code in CERTAINLY_NOT_STORED:
            key = (attempt.producer, attempt.number)
            stored = self._stored.get(key)
            known = stored is not None and covers(attempt, code, stored)
            assert not known, f"{stored} is stored, and {attempt} was told {code}"
            self.refused.setdefault(key, []).append((attempt, code))


def covers(refused: Attempt, code: int, stored: Attempt) -> bool:
    """Whether the refusal says that `stored` isn't.

    56 does so of every attempt so far with the same node, since a retry shares the fate of what it repeats.
    6 says it of the one attempt only: the others were for the former writer to answer.
    """
    if code == 6:
        return refused == stored
    same = (refused.producer, refused.number, refused.node) == (stored.producer, stored.number, stored.node)
    return same and stored.attempt <= refused.attempt


def attempt_in(payload: bytes) -> Attempt:
    """The value of the one record of an uncompressed batch, found without any record parser of kov's."""
    at = payload.rindex(b"<") + 1
    return Attempt(*map(int, payload[at : payload.index(b">", at)].split(b"/")))
