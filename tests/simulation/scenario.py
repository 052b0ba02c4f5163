"""One seeded run: nodes, producers with and without idempotence, a reader, and faults, in simulated time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov.entries import ControlEntry, Kind, unpack
from kov.errors import KafkaError
from kov.partition import control
from kov.partition.identity import PartitionIdentity, WriterIdentity
from kov.partition.limits import Limits
from kov.partition.partition import Partition
from kov.partition.stream import Stream
from kov.partition.tail import TailBudget
from kov.topics import Origin, Topic
from tests.builders import batch
from tests.simulation.checker import Attempt, Checker
from tests.simulation.log import LOG_STREAM_ID, TOPIC_ID, SimulatedClient, SimulatedLog
from varlog_client import Log

BATCHES = 20
FAULTS = 60
TIMEOUTS_S = (0.02, 0.3, 5.0, 30.0)
LIMITS = Limits(
    snapshot_entries=9, watch_s=1.0, max_watch_s=4.0, retry_s=0.01, max_retry_s=0.2, deposed_s=0.3
)


@dataclass
class Node:
    node_id: int
    partition: Partition
    client: SimulatedClient


@dataclass
class Run:
    """What one seed did."""

    log: SimulatedLog
    checker: Checker
    producers: list[Producer]
    history: list[str]


class Producer:
    """Sends its batches in order, several in flight, again and again until each is acknowledged.

    Without a producer id it sends a batch again only when it was told that it certainly isn't stored: it
    may otherwise double by its own doing, as on any broker.
    """

    def __init__(self, run: Run, number: int, rng: random.Random, *, idempotent: bool) -> None:
        self.run = run
        self.number = number
        self.rng = rng
        self.idempotent = idempotent
        self.done = 0
        self.skipped = 0
        self.attempts = 0

    async def produce(self, nodes: list[Node]) -> None:
        while self.done < BATCHES:
            node = self.rng.choice(nodes)
            window = range(self.done, min(self.done + self.rng.randint(1, 5), BATCHES))
            self.attempts += 1
            results = await asyncio.gather(*(self._send(node, n, self.attempts) for n in window))
            for n, finished in zip(window, results, strict=True):
                if not finished:
                    break
                self.done = n + 1
            await asyncio.sleep(self.rng.random() * 0.05)

    async def _send(self, node: Node, number: int, attempt: int) -> bool:
        """Whether the producer goes on to the next batch."""
        this = Attempt(self.number, number, attempt, node.node_id)
        value = b"<" + this.value() + b">"
        ids = (self.number, 0, number) if self.idempotent else (-1, -1, -1)
        data = batch([value], producer_id=ids[0], epoch=ids[1], sequence=ids[2])
        checker, log = self.run.checker, self.run.log
        try:
            timeout_s = self.rng.choice(TIMEOUTS_S)
            appended = await node.partition.append(data, source=self, timeout_s=timeout_s)
        except KafkaError as error:
            self.run.history.append(f"{this} {error.code.name}")
            checker.read(log.entries)
            if int(error.code) not in {6, 7, 56}:
                raise AssertionError(f"{this}: {error!r} would kill a producer") from error
            checker.refuse(this, int(error.code), error.code.name)
            return not self.idempotent and error.code is ErrorCode.request_timed_out
        self.run.history.append(f"{this} at {appended.base_offset}")
        checker.read(log.entries)
        checker.acknowledge(this, appended.base_offset)
        return True


class Consumer:
    """Reads on from where it is, on any node, and must meet exactly the valid batches."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.next = 0
        self.seen: list[tuple[int, bytes]] = []

    async def consume(self, nodes: list[Node]) -> None:
        while True:
            partition = self.rng.choice(nodes).partition
            try:
                fetched = await partition.read(self.next, max_bytes=self.rng.choice([1, 500, 5000]))
            except KafkaError as error:
                start = partition._view.start_offset
                if error.code is ErrorCode.offset_out_of_range:
                    if self.next >= start:
                        raise AssertionError(f"{error}, but was read up to {self.next}") from error
                    self.next = start
                await asyncio.sleep(0.05)
                continue
            for data in fetched.records:
                read = DefaultRecordBatch(data)
                assert read.base_offset == self.next, f"read {read.base_offset} where {self.next} was due"
                self.seen += [(record.offset, bytes(record.value or b"")) for record in read]
                self.next = self.seen[-1][0] + 1
            if not fetched.records:
                waiting = partition.advanced(self.next)
                await asyncio.wait([waiting], timeout=0.5)
                waiting.cancel()
            await asyncio.sleep(self.rng.random() * 0.02)


class Faults:
    def __init__(self, log: SimulatedLog, nodes: list[Node], rng: random.Random) -> None:
        self.log = log
        self.nodes = nodes
        self.rng = rng

    def all(self) -> list[Callable[[], None]]:
        log = self.log
        return [
            log.break_streams,
            log.seal,
            log.unseal,
            log.unseal,
            log.restart,
            self.freeze,
            self.stick,
            self.lag,
            self.trim,
            self.foreign,
            self.calm,
        ]

    async def run(self) -> None:
        faults = self.all()
        for _ in range(FAULTS):
            self.rng.choice(faults)()
            await asyncio.sleep(self.rng.choice([0.001, 0.02, 0.1, 0.5, 2.0]))

    def freeze(self) -> None:
        node = self.rng.choice(self.nodes)
        now = asyncio.get_running_loop().time()
        node.client.frozen_until = now + self.rng.choice([0.1, 1.0, 10.0])

    def stick(self) -> None:
        self.log.stuck = self.rng.random() < 0.5

    def lag(self) -> None:
        self.log.lag = self.rng.choice([0, 1, 5])
        self.log.primary_up = self.rng.random() < 0.7

    def trim(self) -> None:
        """As an operator may: behind the state of a snapshot or fence that is committed."""
        usable = [
            known
            for entry in map(unpack, self.log.entries[self.log.first - 1 :])
            if isinstance(entry, ControlEntry)
            and entry.kind in {Kind.SNAPSHOT, Kind.FENCE}
            and (known := control.as_of(entry)) is not None
        ]
        if usable and self.rng.random() < 0.3:
            self.log.trim(self.rng.choice(usable) + 1)

    def foreign(self) -> None:
        if not self.log.sealed and self.rng.random() < 0.3:
            self.log.entries.append(b"\xffanother program")
            self.log._change()

    def calm(self) -> None:
        self.log.calm()


def make_node(log: SimulatedLog, node_id: int) -> Node:
    topic = Topic(
        name="orders", uuid=UUID(int=5), topic_id=TOPIC_ID, log_streams=(LOG_STREAM_ID,), origin=Origin.FILE
    )
    client = SimulatedClient(log)
    partition = Partition(
        topic,
        0,
        Stream(cast("Log", client), TOPIC_ID, LOG_STREAM_ID),
        PartitionIdentity(cluster_id=1, topic_uuid=topic.uuid, index=0),
        WriterIdentity(node_id=node_id),
        TailBudget(2000),
        LIMITS,
    )
    return Node(node_id, partition, client)


async def simulate(seed: int) -> Run:
    """Runs the schedule of `seed` to its end; raises what a check finds on the way."""
    rng = random.Random(seed)
    log = SimulatedLog(rng)
    run = Run(log, Checker(), [], [])
    nodes = [make_node(log, n + 1) for n in range(rng.choice([1, 2, 2, 3]))]
    run.producers = [Producer(run, n, rng, idempotent=n % 2 == 1) for n in range(1, rng.randint(2, 4) + 1)]
    consumer = Consumer(rng)
    background = [asyncio.create_task(log.run()), asyncio.create_task(consumer.consume(nodes))]
    try:
        async with asyncio.timeout(3600), asyncio.TaskGroup() as work:
            storm = work.create_task(Faults(log, nodes, rng).run())
            for producer in run.producers:
                work.create_task(producer.produce(nodes))
            await storm
            log.calm()
        run.checker.read(log.entries)
        await read_to_the_end(consumer, background[1], run)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        for node in nodes:
            await node.partition.close(1)
        for appender in log.appenders:
            await appender.stop()
    compare(consumer, run)
    return run


async def read_to_the_end(consumer: Consumer, reading: asyncio.Task[None], run: Run) -> None:
    end = max(run.checker.offsets.values(), default=-1) + 1
    async with asyncio.timeout(600):
        while consumer.next < end and not reading.done():
            await asyncio.sleep(0.1)
    if reading.done():
        await reading


def compare(consumer: Consumer, run: Run) -> None:
    """The order of each producer's batches, and the consumer's reading against the checker's."""
    stored = {offset: attempt for attempt, offset in run.checker.offsets.items()}
    for offset, value in consumer.seen:
        assert value == b"<" + stored[offset].value() + b">"
    for producer in run.producers:
        mine = sorted((offset, a.number) for offset, a in stored.items() if a.producer == producer.number)
        numbers = [number for _, number in mine]
        if producer.idempotent:
            assert numbers == list(range(BATCHES)), f"producer {producer.number}: {numbers}"
