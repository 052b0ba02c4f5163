"""One connection to kov, and a conversation over it, judged as it goes."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.fuzz.judging import MOST_REQUEST_BYTES, PRODUCE, Owed, WrongAnswer, answer_to, owed
from tests.fuzz.ledger import Ledger
from tests.fuzz.mutating import HEAD, laid_out

BOUND_S: Final = 60.0
"""Whatever is owed comes within this time: twice the longest time-out of clients, for slow machines."""
_EMPTY: Final = "-"
_SHOWN: Final = 1_000
_SIZE: Final = struct.Struct(">i")
_PROBE_ID: Final = 2**31 - 1
PROBE: Final = _SIZE.pack(10) + struct.pack(">hhih", 18, 0, _PROBE_ID, -1)


class Hang(Exception):
    """Neither an answer nor the end of the connection came in time."""


class Line:
    """A blocking socket that speaks frames; a context manager."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), BOUND_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = self._socket.makefile("rb")
        self.was_reset = False

    def send(self, data: bytes) -> bool:
        """False: the peer has hung up."""
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise Hang("kov reads nothing") from None
        except OSError:
            return False
        return True

    def receive(self) -> bytes | None:
        """The next answer without its size; None at the end. Raises `Hang`."""
        try:
            head = self._read.read(_SIZE.size)
            if len(head) < _SIZE.size:
                return None
            (size,) = _SIZE.unpack(head)
            if size < 0:
                raise WrongAnswer(f"an answer of {size} bytes")
            data = self._read.read(size)
        except TimeoutError:
            raise Hang(f"nothing came in {BOUND_S:.0f} s") from None
        except OSError:
            self.was_reset = True
            return None
        return data if len(data) == size else None

    def end_of_requests(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def reset(self) -> None:
        """What lies unread is thrown away, and the peer sees an error."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self._read.close()
        self._socket.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Requests without their sizes, sent without waiting for answers; `ending` says how the line ends."""

    frames: Sequence[bytes]
    ending: str = "probe"
    pieces: Sequence[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of its requests."""
        return sum(map(len, self.frames))

    def hexed(self) -> Iterator[str]:
        """Lines, none of them empty: how the line ends and the pieces, then a request each."""
        yield f"{self.ending} {','.join(map(str, self.pieces))}"
        yield from (frame.hex() or _EMPTY for frame in self.frames)

    @classmethod
    def from_hex(cls, lines: Sequence[str]) -> Conversation:
        """What `hexed` gave."""
        ending, _, pieces = lines[0].partition(" ")
        frames = [b"" if each == _EMPTY else bytes.fromhex(each) for each in lines[1:]]
        return cls(frames, ending, [int(n) for n in pieces.split(",") if n])

    def hold(self, address: str, ledger: Ledger) -> int:
        """Has it with kov; how many answers came.

        Raises `Hang`, `WrongAnswer`, or `ledger.Misstored`. A line that ends with a reset isn't judged.
        """
        for frame in self.frames:
            if _may_store(frame):
                ledger.sent(frame)
        data = b"".join(_SIZE.pack(len(frame)) + frame for frame in self.frames)
        with Line(address) as line:
            for piece in _cut(data + _ENDINGS[self.ending], self.pieces):
                if not line.send(piece):
                    break
            if self.ending == "reset":
                line.reset()
                return 0
            if self.ending != "probe":
                line.end_of_requests()
                while line.receive() is not None:
                    pass
                return 0
            return self._judge(line, ledger)

    def _judge(self, line: Line, ledger: Ledger) -> int:
        count, may_close = 0, False
        dues = [owed(frame) for frame in self.frames]
        for n, (frame, due) in enumerate(zip(self.frames, dues, strict=True)):
            if due is Owed.WAIT:
                return count
            if due is Owed.SILENCE:
                may_close = True
                continue
            if due is Owed.CLOSE:
                _expect_end(line, frame)
                return count
            data = line.receive()
            if data is None:
                # A reset, upon a later request that ends the line, may overtake answers.
                if may_close or due is Owed.EITHER or (line.was_reset and _MAY_END.intersection(dues[n:])):
                    return count
                raise WrongAnswer(f"the connection was closed instead of an answer to {_shown(frame)}")
            answer = answer_to(frame, data)
            count += 1
            if _may_store(frame):
                ledger.answered(frame, answer)
        data = line.receive()
        if data is None and not may_close:
            raise WrongAnswer("the connection was closed after everything was answered")
        if data is not None and _SIZE.unpack_from(data) != (_PROBE_ID,):
            raise WrongAnswer(f"more answers than requests: {_shown(data)}")
        return count


def _expect_end(line: Line, frame: bytes) -> None:
    data = line.receive()
    if data is not None:
        raise WrongAnswer(f"the connection should be closed upon {_shown(frame)}, came {_shown(data)}")


def _shown(data: bytes) -> str:
    """All of it, or the beginning and the size: `Found.save` has the rest."""
    more = "" if len(data) <= _SHOWN else f"... of {len(data):,} bytes"
    return data[:_SHOWN].hex() + more


def _may_store(frame: bytes) -> bool:
    if len(frame) > MOST_REQUEST_BYTES:
        return False
    found = laid_out(frame)
    return found is not None and not found.doubtful and HEAD.unpack_from(frame)[0] == PRODUCE


_MAY_END: Final = {Owed.CLOSE, Owed.SILENCE, Owed.EITHER}
_ENDINGS: Final = {
    "probe": PROBE,
    "reset": b"",
    "cut": _SIZE.pack(1000) + b"\0\3",
    "negative": _SIZE.pack(-5) + b"more",
    "huge": _SIZE.pack(2**31 - 1) + b"more",
    "empty": _SIZE.pack(0),
}


def _cut(data: bytes, pieces: Sequence[int]) -> list[bytes]:
    at, cut = 0, []
    for size in pieces:
        cut.append(data[at : at + size])
        at += size
    return [piece for piece in (*cut, data[at:]) if piece]


def conversation(frames: Sequence[bytes], rng: random.Random) -> Conversation:
    """These requests, each with a correlation id of its own, sent in some pieces and with some ending."""
    numbered = [_numbered(frame, n) for n, frame in enumerate(frames)]
    ending = "probe" if rng.random() < 0.9 else rng.choice([*_ENDINGS])
    pieces = [rng.choice((1, 3, 8, 100, 20_000)) for _ in range(rng.choice((0, 0, 0, 1, 5)))]
    return Conversation(numbered, ending, pieces)


def _numbered(frame: bytes, number: int) -> bytes:
    return frame if len(frame) < HEAD.size else frame[:4] + _SIZE.pack(number * 7 - 3) + frame[8:]
