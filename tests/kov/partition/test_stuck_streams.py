"""A log stream that runs and answers no append: what is said of it, and what is done where kov may."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import cast

import pytest

from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.stream import Stream
from kov.partition.unsealing import Unsealer
from tests.builders import batch
from tests.kov.partition.asking import offset_of, send, until
from tests.kov.partition.scripted import ScriptedLog, partition_on

LIMITS = Limits(retry_s=0.001, max_retry_s=0.01)
NAME = "log stream 1 of Varlog topic 1"
STUCK = f"{NAME} runs and answers no append: a slow disk, or it is stuck; "


class Repairs:
    """An unsealer: a seal ends what hangs, and unsealing is safe at the second look."""

    def __init__(self, log: ScriptedLog) -> None:
        self._log = log
        self.asked: list[str] = []

    async def seal(self, stream: Stream) -> None:
        self.asked.append(f"seal {stream}")
        self._log.sealed = True
        self._log.release()

    async def consider(self, stream: Stream) -> None:
        self.asked.append(f"consider {stream}")
        if self.asked.count(f"consider {stream}") == 2:
            self._log.sealed = False


@pytest.fixture
def log() -> ScriptedLog:
    """It answers no append."""
    made = ScriptedLog()
    made.hold(lambda payload: True)
    return made


@pytest.fixture
def repairs(log: ScriptedLog) -> Repairs:
    return Repairs(log)


@pytest.fixture
async def watched(log: ScriptedLog, repairs: Repairs) -> AsyncIterator[Partition]:
    """A partition that may repair its log stream."""
    made = partition_on(log, limits=LIMITS, unsealer=cast("Unsealer", repairs))
    yield made
    await made.close(1)


async def unanswered(log: ScriptedLog) -> None:
    await until(lambda: len(log.sent) == 1)
    log.time_out()


async def test_without_leave_to_repair_it_kov_says_what_helps(log: ScriptedLog) -> None:
    partition = partition_on(log, limits=LIMITS)
    waiting = send(partition, batch())
    await unanswered(log)
    await until(lambda: bool(partition.status.waits_for))
    assert partition.status.waits_for == f"{STUCK}seal and unseal it if this lasts"
    await until(lambda: len(log.sent) == 1)
    log.release()
    assert await offset_of(waiting) == 0
    await partition.close(1)


async def test_with_leave_it_is_sealed_and_then_unsealed_when_that_is_safe(
    watched: Partition, log: ScriptedLog, repairs: Repairs, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = send(watched, batch())
    await unanswered(log)
    assert await offset_of(waiting) == 0
    assert repairs.asked == [f"seal {NAME}", f"consider {NAME}", f"consider {NAME}"]
    said = [record.message.partition(">: ")[2] for record in caplog.records]
    assert f"{STUCK}kov seals and unseals it" in said
    assert f"{NAME} is sealed; kov unseals it when that is safe" in said


async def test_what_does_not_run_on_all_its_nodes_is_not_called_stuck(
    watched: Partition, log: ScriptedLog, repairs: Repairs
) -> None:
    log.primary_answers = False
    waiting = send(watched, batch())
    await unanswered(log)
    await until(lambda: bool(repairs.asked))
    assert watched.status.waits_for == "can't be opened now: log stream 1: no answer in time"
    await until(lambda: len(log.sent) == 1)
    log.release()
    assert await offset_of(waiting) == 0
    assert repairs.asked == [f"consider {NAME}"]


async def test_a_stream_that_breaks_is_not_called_stuck(
    watched: Partition, log: ScriptedLog, repairs: Repairs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "kov.partition.ownership")
    waiting = send(watched, batch())
    await until(lambda: len(log.sent) == 1)
    log.strand(stored=0)
    await until(lambda: len(log.sent) == 1)
    log.release()
    assert await offset_of(waiting) == 0
    assert repairs.asked == [f"consider {NAME}"]
    assert "stuck" not in caplog.text
