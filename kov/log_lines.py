"""What lines of the log look like, how many of them there may be, and how many there were.

A value in a line may say of itself what it is about (`log_fields`): a connection, a partition. As JSON a line
carries that beside its text; and what is said again and again of the same place is written a few times, then
counted.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol, TextIO, runtime_checkable

LINES: Final[Counter[str]] = Counter()
"""How many lines this process had to say, by level, whether they were written or only counted."""

_OURS: Final = ("kov", "varlog_client")
_WINDOW_S: Final = 10.0
_IN_WINDOW: Final = 10
_REMEMBERED: Final = 10_000


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """How much is to be logged, and how."""

    level: str = "info"
    form: LogFormat = LogFormat.TEXT


AS_USUAL: Final = Logged()


@runtime_checkable
class Placed(Protocol):
    """A value that says what a line with it is about."""

    @property
    def log_fields(self) -> Mapping[str, object]: ...


def set_up(
    level: str, stream: TextIO, form: LogFormat = LogFormat.TEXT, *, node_id: int | None = None
) -> None:
    """`node_id`: of one of several processes that log to the same place."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(Repeats())
    handler.setFormatter(JsonLines(node_id) if form is LogFormat.JSON else _text(node_id))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())


def _text(node_id: int | None) -> logging.Formatter:
    of = "" if node_id is None else f"node {node_id} "
    return logging.Formatter(
        f"%(asctime)s.%(msecs)03d %(levelname)-7s {of}%(name)s: %(message)s", datefmt="%H:%M:%S"
    )


class JsonLines(logging.Formatter):
    """One object per line: time, level, logger and message, then what the line is about."""

    def __init__(self, node_id: int | None = None) -> None:
        super().__init__()
        self._node = {} if node_id is None else {"node": node_id}

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._node,
            **fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What the values of the line say that it is about; of two that say the same, the first one counts."""
    found: dict[str, object] = {}
    for placed in _placed(record):
        for name, value in placed.log_fields.items():
            if value is not None:
                found.setdefault(name, value)
    return found


def _placed(record: logging.LogRecord) -> Iterator[Placed]:
    values = record.args if isinstance(record.args, tuple) else ()
    return (value for value in values if isinstance(value, Placed))


@dataclass(slots=True)
class _Said:
    since: float
    count: int = 0
    unsaid: int = 0


class Repeats(logging.Filter):
    """Lets ten lines pass in ten seconds that the same statement says of the same topic and partition.

    Those beyond are counted, and the next line that passes says how many they were. What is for debugging
    passes always.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int, object, object], _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG:
            return True
        LINES[record.levelname.lower()] += 1
        said = self._said_before(record, time.monotonic())
        said.count += 1
        if said.count > _IN_WINDOW:
            said.unsaid += 1
            return False
        if said.unsaid:
            record.msg = f"{record.msg} ({said.unsaid} more like this)"
            said.unsaid = 0
        return True

    def _said_before(self, record: logging.LogRecord, now: float) -> _Said:
        fields = fields_of(record)
        key = (record.pathname, record.lineno, fields.get("topic"), fields.get("partition"))
        said = self._said.get(key)
        if said is None:
            if len(self._said) >= _REMEMBERED:
                self._said.clear()
            said = self._said[key] = _Said(now)
        elif now - said.since >= _WINDOW_S:
            said.since, said.count = now, 0
        return said
