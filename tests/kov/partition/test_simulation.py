"""Random faults at every step, from a seed: what was acknowledged is in the log once, at its offset.

The log is the scripted one; it breaks streams with any part of what was in flight stored, lets lost appends
land late, seals, goes away, and lets a second node take the partition over. A failure names its seed.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from kov.errors import KafkaError
from kov.partition.limits import Limits
from kov.partition.partition import Appended, Partition
from tests.builders import idempotent
from tests.kov.partition.scripted import ScriptedLog, Sent, partition_on
from tests.kov.partition.test_partition import meaning_of

STEPS = 250
LIMITS = Limits(retry_s=0.0005, max_retry_s=0.002, deposed_s=0.003, snapshot_entries=7, watch_s=60)


class Producer:
    """An idempotent producer as clients write them: up to 3 in flight, each until it is acknowledged.

    A refused head is sent again, and everything behind it that was refused with it.
    """

    def __init__(self, producer_id: int, rng: random.Random) -> None:
        self.producer_id = producer_id
        self.rng = rng
        self.acknowledged: dict[int, int] = {}  # sequence to offset
        self.refused: list[str] = []
        self.next = 0

    async def run(self, nodes: list[Partition], count: int) -> None:
        while self.next < count:
            node = self.rng.choice(nodes)
            window = range(self.next, min(self.next + 3, count))
            outcomes = [self._send(node, n) for n in window]
            results = await asyncio.gather(*outcomes, return_exceptions=True)
            for n, result in zip(window, results, strict=True):
                if isinstance(result, Appended):
                    known = self.acknowledged.setdefault(n, result.base_offset)
                    assert known == result.base_offset, "one batch, two offsets"
                    if n == self.next:
                        self.next += 1
                elif isinstance(result, KafkaError):
                    assert int(result.code) in {6, 7, 56}, f"{result!r} kills producers"
                    self.refused.append(result.code.name)
                elif result is not None:
                    raise result
            await asyncio.sleep(self.rng.random() * 0.001)

    async def _send(self, node: Partition, n: int) -> Appended:
        data = idempotent(n, producer_id=self.producer_id)
        return await node.append(data, source=self, timeout_s=self.rng.choice([0.005, 0.05, 5]))


class Chaos:
    def __init__(self, log: ScriptedLog, rng: random.Random) -> None:
        self.log = log
        self.rng = rng
        self.late: list[Sent] = []

    async def run(self) -> None:
        for _ in range(STEPS):
            self.rng.choice(
                [
                    self.hold,
                    self.complete,
                    self.complete,
                    self.strand,
                    self.lose,
                    self.delay,
                    self.land,
                    self.toggle,
                ]
            )()
            await asyncio.sleep(self.rng.choice([0, 0, 0.0005, 0.002]))
        self.log.sealed = self.log.unreachable = False
        self.log.release()

    def hold(self) -> None:
        only_data = self.rng.random() < 0.5
        self.log.hold(lambda payload: not only_data or payload[0] < 0x80)

    def complete(self) -> None:
        if self.rng.random() < 0.2:
            self.log.release()
        elif self.log.sent:
            self.log.complete()

    def strand(self) -> None:
        if self.log.sent:
            self.log.strand(stored=self.rng.randint(0, len(self.log.sent)))

    def lose(self) -> None:
        self.log.lose()

    def delay(self) -> None:
        self.late += self.log.take()

    def land(self) -> None:
        if self.late:
            self.log.store(self.late.pop(0).payloads)

    def toggle(self) -> None:
        self.log.sealed = self.rng.random() < 0.3
        self.log.unreachable = self.rng.random() < 0.2


async def simulate(seed: int) -> tuple[ScriptedLog, list[Producer]]:
    rng = random.Random(seed)
    log = ScriptedLog()
    nodes = [partition_on(log, node_id=n + 1, limits=LIMITS) for n in range(rng.choice([1, 2, 2]))]
    producers = [Producer(pid, random.Random(rng.random())) for pid in range(1, 4)]
    chaos = Chaos(log, rng)
    async with asyncio.TaskGroup() as tasks:
        storm = tasks.create_task(chaos.run())
        runs = [tasks.create_task(producer.run(nodes, 25)) for producer in producers]
        await asyncio.wait([storm])
        log.release()
        await asyncio.wait(runs)
    for node in nodes:
        await node.close(5)
    return log, producers


def check(log: ScriptedLog, producers: list[Producer]) -> None:
    stored = {values[0].decode(): offset for offset, values in meaning_of(log)}
    assert len(stored) == len(meaning_of(log)), "a batch is in the log twice"
    assert sorted(stored.values()) == list(range(len(stored)))
    for producer in producers:
        names = [f"{producer.producer_id}/0/{n}" for n in range(25)]
        offsets = [stored[name] for name in names]
        assert offsets == sorted(offsets), "reordered"
        assert producer.acknowledged == dict(enumerate(offsets))


@pytest.mark.parametrize("seed", range(12))
async def test_no_fault_loses_doubles_or_reorders(seed: int) -> None:
    async with asyncio.timeout(60):
        log, producers = await simulate(seed)
    check(log, producers)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_fault_loses_doubles_or_reorders_for_long() -> None:
    faced: set[str] = set()
    for seed in range(1000, 1200):
        async with asyncio.timeout(60):
            log, producers = await simulate(seed)
        check(log, producers)
        faced |= {name for producer in producers for name in producer.refused}
    assert {"request_timed_out", "kafka_storage_error", "not_leader_or_follower"} <= faced
