"""One seeded run: nodes, producers with and without idempotence, a reader, and faults, in simulated time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from unittest.mock import patch

from kov.partition.limits import Limits
from tests.simulation.checker import Checker
from tests.simulation.faults import Storm
from tests.simulation.log_stream import SimulatedLogStream
from tests.simulation.network import Faults, Network
from tests.simulation.nodes import Node, running_node
from tests.simulation.producers import Consumer, Producer, Told
from tests.simulation.varlog import SimulatedVarlog

TIMEOUTS_S = (0.02, 0.3, 5.0, 30.0)
NAMESAKES = 0.25
"""Of the schedules, how many have nodes of one name, which hold requests instead of refusing them."""


class Unsealing(Enum):
    """Who unseals what was sealed."""

    OPERATOR = "operator"
    KOV = "kov"
    BOTH = "both"


@dataclass
class Run:
    """What one seed did."""

    unsealing: Unsealing
    stream: SimulatedLogStream
    checker: Checker
    producers: list[Producer]
    history: list[str]

    @property
    def seen(self) -> Counter[str]:
        """The faults that were drawn, and what went wrong by them."""
        return self.stream.varlog.network.seen


def limits(rng: random.Random) -> Limits:
    return Limits(
        pipeline=rng.choice([1, 2, 2, 8]),
        max_run_bytes=rng.choice([100, 1000, 1 << 20]),
        snapshot_entries=rng.choice([3, 9, 1000]),
        watch_s=1.0,
        max_watch_s=4.0,
        retry_s=0.01,
        max_retry_s=rng.choice([0.2, 1.0]),
        deposed_s=0.3,
    )


def likely(rng: random.Random) -> Faults:
    """How bad the network is, this time."""
    return Faults(
        longest_delay_s=rng.choice([0.002, 0.02, 0.2]),
        lost_answer=rng.choice([0, 0.003, 0.03]),
        lost_call=rng.choice([0, 0, 0.03]),
        cut_reading=rng.choice([0, 0.01, 0.1]),
        arrives_after_cut=rng.choice([0, 0.3, 1]),
    )


class Watchman:
    """Ends a run at the first thing that goes wrong anywhere in it, also where nobody would hear of it."""

    def __init__(self) -> None:
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(self._on_exception)

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        self.report(error if isinstance(error, BaseException) else AssertionError(str(context["message"])))

    def report(self, error: BaseException) -> None:
        if not self.broken.done():
            self.broken.set_exception(error)

    async def watch(self) -> None:
        await self.broken


@asynccontextmanager
async def log_stream(
    rng: random.Random, faults: Faults, checker: Checker, *, storage_nodes: int
) -> AsyncIterator[SimulatedLogStream]:
    """A log stream every commit of which is checked, until the first violation ends what is inside."""
    watchman = Watchman()
    varlog = SimulatedVarlog(Network(rng, faults), storage_nodes)
    stream = varlog.new_log_stream(await varlog.add_topic())

    def check() -> None:
        try:
            checker.read(stream.entries)
        except AssertionError as error:
            watchman.report(error)

    stream.on_commit = check
    admin = patch("varlog_client.admin_connection.open_channel", varlog.channel)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watchman.watch())
        with admin:
            yield stream
        watching.cancel()


async def simulate(seed: int) -> Run:
    """Runs the schedule of `seed` to its end; raises what a check finds on the way."""
    rng = random.Random(seed)
    checker = Checker()
    told = Told(checker)
    unsealing = rng.choice(list(Unsealing))
    faults = likely(rng)._replace(stuck=random.Random(f"stuck of {seed}").choice([0, 0, 0.5]))
    async with (
        log_stream(rng, faults, checker, storage_nodes=rng.choice([1, 2, 2, 3])) as stream,
        AsyncExitStack() as stack,
    ):
        count = rng.choice([1, 2, 2, 3])
        unseals = unsealing is not Unsealing.OPERATOR
        named = 1 if random.Random(f"names of {seed}").random() < NAMESAKES else None
        nodes = [
            await stack.enter_async_context(
                running_node(stream, n + 1, limits(rng), unseals=unseals, named=named)
            )
            for n in range(count)
        ]
        batches, timeouts_s = rng.choice([3, 10, 20, 40]), rng.sample(TIMEOUTS_S, rng.randint(1, 4))
        producers = [
            Producer(told, number, rng, batches, timeouts_s) for number in range(1, rng.randint(2, 4) + 1)
        ]
        consumer = Consumer(rng)
        storm = Storm(stream, nodes, rng, operated=unsealing is not Unsealing.KOV)
        await _play(storm, nodes, producers, consumer, checker)
    compare(consumer, checker, producers)
    return Run(unsealing, stream, checker, producers, told.history)


async def _play(
    storm: Storm,
    nodes: list[Node],
    producers: list[Producer],
    consumer: Consumer,
    checker: Checker,
) -> None:
    async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
        consuming = group.create_task(consumer.consume(nodes))
        async with asyncio.TaskGroup() as work:
            work.create_task(storm.run())
            for producer in producers:
                work.create_task(producer.produce(nodes))
        end = max(checker.offsets.values(), default=-1) + 1
        while consumer.next < end:
            await asyncio.sleep(0.1)
        consuming.cancel()


def compare(consumer: Consumer, checker: Checker, producers: list[Producer]) -> None:
    """The consumer's reading against the checker's, and that with a producer id nothing is missing."""
    stored = {offset: attempt for attempt, offset in checker.offsets.items()}
    for offset, value in consumer.seen:
        assert value == b"<" + stored[offset].value() + b">"
    for producer in producers:
        if producer.idempotent:
            mine = [a.number for a in checker.offsets if a.producer == producer.number]
            assert mine == list(range(producer.batches)), f"producer {producer.number}: {mine}"
