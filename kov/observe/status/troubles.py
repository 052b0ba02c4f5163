"""The newest warnings and errors of this process, for people who haven't read its log."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kov.observe.status.advice import advice_for

LIMIT: Final = 50
_LONGEST: Final = 600
_READ: Final = 2000
_NAME: Final = 100
_LOGGERS: Final = ("kov", "varlog_client")
_PARTITION: Final = re.compile(r"<Partition (\S+) \w+ [^<>]*>")
_MORE: Final = re.compile(r" \((\d+) more like this\)$")
_FLOODS: Final = (
    "slow: ",
    "closing the connection",
    "refusing the connection",
    "can't be opened now",
    "is sealed; kov",
)
_PEER: Final = re.compile(r"<Peer (\S+) client=(.*) listener=(\S+)>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What happened and what to do. `count`: how often, those included that the log only counted; times in
    seconds since 1970."""

    error: bool
    what: str
    todo: str
    count: int
    first: float
    last: float


class Troubles(logging.Handler):
    """Keeps the newest `limit` of different ones, from `watch` until `close`.

    Of what may come in floods, about one client or partition or another, the newest stands for all.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        super().__init__(logging.WARNING)
        self._limit = limit
        self._kept: OrderedDict[str, Trouble] = OrderedDict()

    def watch(self) -> None:
        """From now on what the process logs is looked at."""
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self)

    def close(self) -> None:
        """Idempotent."""
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self)
        super().close()

    def newest(self) -> Sequence[Trouble]:
        """The newest first."""
        self.acquire()
        try:
            return tuple(reversed(self._kept.values()))
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler`: called under the handler's lock, from any thread."""
        line = _PEER.sub(_client, record.getMessage())
        what, more = in_plain_words(line, record.exc_info[1] if record.exc_info else None)
        key = next((flood for flood in _FLOODS if flood in what), what)
        before = self._kept.pop(key, None)
        self._kept[key] = Trouble(
            error=record.levelno >= logging.ERROR,
            what=what,
            todo=before.todo if before else advice_for(line[:_READ], defect=record.exc_info is not None),
            count=1 + more + (before.count if before else 0),
            first=before.first if before else record.created,
            last=record.created,
        )
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)


def in_plain_words(line: str, error: BaseException | None) -> tuple[str, int]:
    """The line without what is for programmers, partitions by their names; how many others it stands for."""
    found = _MORE.search(line)
    text = _PARTITION.sub(r"\1", line[: found.start()] if found else line)
    if error is not None:
        text += f" ({type(error).__name__}: {error})"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…", int(found[1]) if found else 0


def _client(found: re.Match[str]) -> str:
    remote, client_id, _ = found.groups()
    if client_id == "None":
        return f"a client at {remote}"
    return f"client {client_id if len(client_id) <= _NAME else client_id[: _NAME - 1] + '…'} at {remote}"
