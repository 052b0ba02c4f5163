"""The log as lines for people and as objects for programs, what is said too often, and slow requests."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Producer

from kov.handlers.fetch import FetchResponse
from kov.handlers.produce import ProduceResponse
from kov.log_lines import LINES, JsonLines, Repeats, fields_of
from tests.builders import batch
from tests.kov.handlers.door import a_door, fetching, producing
from tests.kov_process import KovProcess


class Place:
    """Like a partition."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __repr__(self) -> str:
        return f"<orders/{self.index}>"

    @property
    def log_fields(self) -> Mapping[str, object]:
        return {"topic": "orders", "partition": self.index, "client_id": None}


def record(text: str, *values: object, level: int = logging.WARNING, line: int = 1) -> logging.LogRecord:
    return logging.LogRecord("kov.test", level, "file.py", line, text, values, None)


def test_a_line_as_json_says_what_it_is_about() -> None:
    line = json.loads(JsonLines(2).format(record("%r: %s", Place(7), "sealed")))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "kov.test",
        "message": "<orders/7>: sealed",
        "node": 2,
        "topic": "orders",
        "partition": 7,
    }


def test_an_exception_stays_within_its_line() -> None:
    try:
        raise ValueError("a\nb")
    except ValueError:
        error = sys.exc_info()
    made = logging.LogRecord("kov.test", logging.ERROR, "file.py", 1, "it failed", (), error)
    text = JsonLines().format(made)
    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("ValueError: a\nb")


def test_what_is_said_too_often_of_one_partition_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("kov.log_lines.time.monotonic", lambda: now)
    repeats, before = Repeats(), LINES["warning"]
    passed = [repeats.filter(record("%r", Place(1))) for _ in range(25)]
    assert passed == [True] * 10 + [False] * 15
    assert repeats.filter(record("%r", Place(2)))
    assert repeats.filter(record("%r", Place(1), line=2))
    assert LINES["warning"] - before == 27
    now = 110.0
    late = record("%r", Place(1))
    assert repeats.filter(late)
    assert late.getMessage() == "<orders/1> (15 more like this)"
    after = record("%r", Place(1))
    assert repeats.filter(after)
    assert after.getMessage() == "<orders/1>"


def test_lines_for_debugging_are_never_held_back() -> None:
    repeats = Repeats()
    assert all(repeats.filter(record("x", level=logging.DEBUG)) for _ in range(1_000))


def test_memory_for_what_was_said_is_bounded() -> None:
    repeats = Repeats()
    for index in range(25_000):
        repeats.filter(record("%r", Place(index)))
    assert len(repeats._said) <= 10_000


def slow_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.getMessage().startswith("slow: ")]


async def test_a_slow_request_is_said_with_what_it_was_about(caplog: pytest.LogCaptureFixture) -> None:
    async with a_door() as door:
        door.peers.slow_s = 0.05
        wire = await door.connect()
        assert (await wire.ask(ProduceResponse, 9, producing(batch()))).responses
        door.partitions.logs[0].hold()
        waiting = asyncio.create_task(wire.ask(ProduceResponse, 9, producing(batch())))
        await asyncio.sleep(0.1)  # so long does storage take
        door.partitions.logs[0].release()
        await waiting
    (line,) = slow_lines(caplog)
    assert "Produce v9 (correlation 7)" in line.getMessage()
    assert "orders/0" in line.getMessage()
    fields = fields_of(line)
    assert fields["remote"]
    assert fields["connection"]
    assert {name: fields[name] for name in ("api", "correlation_id", "topic", "partition")} == {
        "api": "Produce",
        "correlation_id": 7,
        "topic": "orders",
        "partition": 0,
    }


async def test_a_fetch_that_waits_as_it_was_asked_to_is_not_slow(caplog: pytest.LogCaptureFixture) -> None:
    async with a_door() as door:
        door.peers.slow_s = 0.1
        wire = await door.connect()
        await wire.ask(FetchResponse, 12, fetching(0, max_wait_s=0.3))
        counts = door.peers.requests[1]
        assert counts.seconds.total >= 0.3
    assert slow_lines(caplog) == []


async def test_many_slow_requests_are_said_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with a_door() as door:
        door.peers.slow_s = 0.0
        wire = await door.connect()
        for _ in range(20):
            await wire.ask(ProduceResponse, 9, producing(batch()))
    assert len([line for line in slow_lines(caplog) if line.levelno == logging.WARNING]) == 1


@pytest.mark.slow
def test_a_running_kov_writes_nothing_but_json_where_it_is_told_to(tmp_path: Path) -> None:
    arguments = ("--data", str(tmp_path / "kov-data"), "--log-format", "json")
    with KovProcess(tmp_path, *arguments) as kov:
        producer = Producer({"bootstrap.servers": kov.address})
        producer.produce("orders", b"value", partition=0)
        assert producer.flush(10) == 0
    lines = [json.loads(line) for line in kov.log.read_text().splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    opened = [line for line in lines if "opened for writing" in line["message"]]
    assert [(line["topic"], line["partition"]) for line in opened] == [("orders", 0)]
