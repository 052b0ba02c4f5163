"""What producers were told, held against what the log says, by a fold that shares no code with kov's.

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

    def value(self) -> bytes:
        return b"%d/%d/%d/%d" % self


@dataclass
class Checker:
    """`offsets`: the valid batches found so far, by their attempt."""

    offsets: dict[Attempt, int] = field(default_factory=dict)
    acknowledged: dict[Attempt, int] = field(default_factory=dict)
    refused: list[tuple[Attempt, int]] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    _read: int = 0
    _epoch: int = 0
    _next: int = 0
    _stored: dict[tuple[int, int], Attempt] = field(default_factory=dict)

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
            return
        if not payload or payload[0] > 0x7F:
            return
        offset, _, epoch = struct.unpack_from(">qii", payload)
        if epoch != self._epoch or offset != self._next or not epoch:
            return
        self._next += struct.unpack_from(">i", payload, 57)[0]
        attempt = attempt_in(payload)
        key = (attempt.producer, attempt.number)
        assert key not in self._stored, f"{attempt} doubles {self._stored[key]}"
        self._stored[key] = attempt
        self.offsets[attempt] = offset
        for refused, code in self.refused:
            assert not covers(refused, code, attempt), f"{attempt} is stored, and {refused} was told {code}"

    def acknowledge(self, attempt: Attempt, offset: int) -> None:
        """`attempt`, or an earlier one of the same batch that it is a retry of, is stored at `offset`."""
        stored = self._stored.get((attempt.producer, attempt.number))
        assert stored is not None, f"{attempt} was acknowledged and is not in the log"
        assert self.offsets[stored] == offset, (
            f"{attempt} was acknowledged at {offset}, it is at {self.offsets}"
        )
        self.acknowledged[attempt] = offset

    def refuse(self, attempt: Attempt, code: int, name: str) -> None:
        self.told[name] = self.told.get(name, 0) + 1
        if code in CERTAINLY_NOT_STORED:
            stored = self._stored.get((attempt.producer, attempt.number))
            known = stored is not None and covers(attempt, code, stored)
            assert not known, f"{stored} is stored, and {attempt} was told {code}"
            self.refused.append((attempt, code))


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
