"""`kov`, and on SIGUSR1 a line in the file that KOV_WATCH names: what it holds at that moment.

With KOV_RECORD every request goes as a line of hex into the file that this names.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from pathlib import Path

from kov.cli import main
from kov.peer import Peer
from kov.peers import Peers
from kov.wire.client import Reply
from kov.wire.frames import Frame

_peers: list[Peers] = []
_make = Peers.__init__


def _remembered(self: Peers, *args: object, **kwargs: object) -> None:
    _make(self, *args, **kwargs)  # type: ignore[arg-type]
    _peers.append(self)


def _record(path: Path) -> None:
    answer = Peer.answer

    def recorded(self: Peer, frame: Frame) -> Reply:
        with path.open("a") as record:
            record.write(bytes(frame).hex() + "\n")
        return answer(self, frame)

    Peer.answer = recorded  # type: ignore[method-assign]


def _tell(*_: object) -> None:
    names = [task.get_name().partition(" ")[0] for task in asyncio.all_tasks()]
    found = {
        "connections": sum(map(len, _peers)),
        "held_bytes": sum(peers.budget.used for peers in _peers),
        "tasks": dict(Counter(names)),
    }
    with Path(os.environ["KOV_WATCH"]).open("a") as watch:
        watch.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    Peers.__init__ = _remembered  # type: ignore[method-assign]
    if record := os.environ.get("KOV_RECORD"):
        _record(Path(record))
    signal.signal(signal.SIGUSR1, _tell)
    main()
