"""How a client library is driven: one small program per library, one contract for all of them.

A driver reads tasks from standard input, one JSON object a line, and answers each with one line of JSON on
standard output, in order: `{"ok": {...}}`, or `{"error": {"name": ..., "code": ..., "message": ...}}` with the
library's own error, `code` being Kafka's where the library tells it and null where it doesn't. It ends with its
input. Keys, values and headers are base64, or null.

| task | fields | answer |
|---|---|---|
| `about` | | `library`, `version`, `runtime` |
| `open` | `bootstrap`, `acks` (-1, 0, 1 or what else), `idempotent`, `codec`, `linger_ms`, `batch_bytes`, `request_bytes`, `timeout_ms` | makes a producer, which stays until `close` |
| `send` | `topic`, `records`: `partition` (null: the client chooses), `timestamp`, `key`, `value`, `headers` | `told`, for each record `partition` and `offset`, or `error` |
| `close` | | |
| `read` | `bootstrap`, `topic`, `from` and `to`: offset by partition | `records`, by a consumer to which these partitions were assigned |
| `transact`, `join` | `bootstrap`, `topic` | what a transactional producer, or a member of a consumer group, is told |
| `create` | `bootstrap`, `topic`, `partitions`, `configs` | |
| `describe` | `bootstrap`, `topic` | `partitions`: how many |
| `topics` | `bootstrap` | `names` |
| `grow` | `bootstrap`, `topic`, `partitions`: how many there are to be | |
| `delete` | `bootstrap`, `topic` | |
| `configs` | `bootstrap`, `topic` | `configs`: value by name |
| `alter` | `bootstrap`, `topic`, `configs` | |
| `offsets` | `bootstrap`, `topic`, `partitions`: how many, `at`: -2 earliest, -1 latest, or a time | `offsets` by partition |
| `cluster` | `bootstrap` | `cluster_id`, `nodes`: how many |
"""  # fmt: skip  # noqa: E501

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.clients.records import Contents, Delivery, Record, Stored

_TASK_S = 60.0


class DriverError(Exception):
    """What the client library reported: its own name for it, and Kafka's code where it tells it."""

    def __init__(self, name: str, code: int | None, message: str) -> None:
        super().__init__(f"{name} ({code}): {message}")
        self.name = name
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Of a producer."""

    codec: str = "none"
    acks: int = -1
    idempotent: bool = True
    linger_ms: int = 5
    batch_bytes: int = 200_000
    request_bytes: int = 4 << 20
    timeout_ms: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    library: str
    version: str
    runtime: str


Told = Delivery | DriverError


class Driver:
    """A driver program, started when it is first asked; nothing in it belongs to an event loop."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def ask(self, task: str, **fields: object) -> dict[str, Any]:
        """Raises DriverError; AssertionError where no answer came, and then the program is ended."""
        line = json.dumps({"do": task, **fields}).encode() + b"\n"
        exchange = asyncio.ensure_future(asyncio.to_thread(self._exchange, line))
        done, _ = await asyncio.wait([exchange], timeout=_TASK_S)
        if not done:
            self.stop()
        answer = await exchange
        assert answer, f"{task}: no answer{'' if done else f' within {_TASK_S:g} s'}\n{self._tail()}"
        said: dict[str, Any] = json.loads(answer)
        if "error" in said:
            raise _error(said["error"])
        return dict(said["ok"])

    def _exchange(self, line: bytes) -> bytes:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except OSError:
            return b""
        return process.stdout.readline()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        return self._process

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    def stop(self) -> None:
        """The next task starts it anew: what a failed scenario left open goes with it."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(
                        BrokenPipeError
                    ):  # what was buffered for a program that has ended
                        pipe.close()

    async def about(self) -> About:
        return About(**await self.ask("about"))

    async def open(self, bootstrap: str, settings: Settings) -> None:
        await self.ask("open", bootstrap=bootstrap, **asdict(settings))

    async def send(self, topic: str, records: Sequence[Record]) -> list[Told]:
        """What was told of each, in their order; with acks=0 it means nothing."""
        answer = await self.ask("send", topic=topic, records=[_encoded(record) for record in records])
        return [_told(each) for each in answer["told"]]

    async def close(self) -> None:
        await self.ask("close")

    async def produce(
        self, bootstrap: str, topic: str, records: Sequence[Record], settings: Settings
    ) -> list[Told]:
        """A producer for these records alone."""
        await self.open(bootstrap, settings)
        told = await self.send(topic, records)
        await self.close()
        return told

    async def read(
        self, bootstrap: str, topic: str, since: Mapping[int, int], ends: Mapping[int, int]
    ) -> list[Stored]:
        """Sorted by partition and offset."""
        answer = await self.ask("read", bootstrap=bootstrap, topic=topic, **{"from": since, "to": ends})
        return sorted((_stored(each) for each in answer["records"]), key=lambda each: each[:2])


def _error(said: Mapping[str, Any]) -> DriverError:
    return DriverError(said["name"], said["code"], said["message"])


def _told(said: Mapping[str, Any]) -> Told:
    return _error(said["error"]) if "error" in said else Delivery(said["partition"], said["offset"])


def _encoded(record: Record) -> Mapping[str, object]:
    contents = record.contents
    return {
        "partition": record.partition,
        "timestamp": contents.timestamp_ms,
        "key": _text(contents.key),
        "value": _text(contents.value),
        "headers": [[name, _text(value)] for name, value in contents.headers],
    }


def _stored(said: Mapping[str, Any]) -> Stored:
    headers = tuple((name, _bytes(value)) for name, value in said["headers"])
    contents = Contents(_bytes(said["key"]), _bytes(said["value"]), headers, said["timestamp"])
    return Stored(said["partition"], said["offset"], contents)


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
