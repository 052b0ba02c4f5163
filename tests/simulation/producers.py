"""Who produces and who consumes in the simulation."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TypeAlias

from aiokafka.record.default_records import DefaultRecordBatch
from kio.schema.errors import ErrorCode

from kov.errors import KafkaError
from kov.partition.pending import Appended
from kov.partition.states import State
from tests.builders import batch
from tests.simulation.checker import Attempt, Checker
from tests.simulation.nodes import Node

HARMLESS = {ErrorCode.not_leader_or_follower, ErrorCode.request_timed_out, ErrorCode.kafka_storage_error}
Answer: TypeAlias = "Appended | KafkaError"


@dataclass
class Told:
    """What everybody was told, in order."""

    checker: Checker
    history: list[str] = field(default_factory=list)

    def take(self, attempt: Attempt, answer: Answer) -> None:
        """Checks an answer in the moment it is given."""
        if isinstance(answer, Appended):
            self.history.append(f"{attempt} at {answer.base_offset}")
            self.checker.acknowledge(attempt, answer.base_offset)
            return
        self.history.append(f"{attempt} {answer.code.name}")
        if answer.code not in HARMLESS:
            raise AssertionError(f"{attempt}: {answer!r} would kill a producer") from answer
        self.checker.refuse(attempt, int(answer.code), answer.code.name)


async def send(node: Node, told: Told, attempt: Attempt, timeout_s: float, *, idempotent: bool) -> Answer:
    """One Produce request, inside the node's process."""
    value = b"<" + attempt.value() + b">"
    ids = (attempt.producer, 0, attempt.number) if idempotent else (-1, -1, -1)
    data = batch([value], producer_id=ids[0], epoch=ids[1], sequence=ids[2])
    answer: Answer
    try:
        source = (attempt.producer, attempt.connection)
        answer = await node.partition.append(data, source=source, timeout_s=timeout_s)
    except KafkaError as error:
        answer = error
    if node.partition.state is State.FAILED:
        raise AssertionError(f"{node.partition} gave up: {answer}")
    told.take(attempt, answer)
    return answer


class Producer:
    """Sends its batches in order, several in flight, again and again until each is acknowledged.

    Without a producer id it sends a batch again only when it was told that it certainly isn't stored: it
    may otherwise double by its own doing, as on any broker. Either kind may lose patience, which closes the
    connection, and goes on with a new one, perhaps at another node.
    """

    def __init__(
        self, told: Told, number: int, rng: random.Random, batches: int, timeouts_s: list[float]
    ) -> None:
        self.number = number
        self.idempotent = number % 2 == 1
        self.batches = batches
        self._told = told
        self._rng = rng
        self._timeouts_s = timeouts_s
        self._done = 0
        self._attempts = 0
        self._connection = 0
        self._node: Node | None = None

    async def produce(self, nodes: list[Node]) -> None:
        rng = self._rng
        while self._done < self.batches:
            if self._node is None or rng.random() < 0.5:
                self._node = rng.choice(nodes)
                self._connection += 1
            window = range(self._done, min(self._done + rng.randint(1, 5), self.batches))
            for finished in await self._send_all(self._node, window):
                if not finished:
                    break
                self._done += 1
            await asyncio.sleep(rng.random() * 0.05)

    async def _send_all(self, node: Node, window: range) -> list[bool]:
        """Which of the batches are over and done with."""
        self._attempts += 1
        sent = [self._send(node, number) for number in window]
        patience_s = self._rng.choice([1.0, 20.0, 100.0])
        _, unanswered = await asyncio.wait(sent, timeout=patience_s)
        for task in unanswered:
            task.cancel()
        if unanswered:
            self._node = None
        return [self._is_over(task) for task in sent]

    def _send(self, node: Node, number: int) -> asyncio.Task[Answer]:
        attempt = Attempt(self.number, number, self._attempts, node.node_id, self._connection)
        timeout_s = self._rng.choice(self._timeouts_s)
        return node.start(send(node, self._told, attempt, timeout_s, idempotent=self.idempotent))

    def _is_over(self, task: asyncio.Task[Answer]) -> bool:
        answer = task.result() if task.done() and not task.cancelled() else None
        if isinstance(answer, Appended):
            return True
        unknown = answer is None or answer.code is ErrorCode.request_timed_out
        return unknown and not self.idempotent


class Consumer:
    """Reads on from where it is, on any node, and must meet exactly the valid batches."""

    def __init__(self, rng: random.Random) -> None:
        self.next = 0
        self.seen: list[tuple[int, bytes]] = []
        self._rng = rng

    async def consume(self, nodes: list[Node]) -> None:
        while True:
            node = self._rng.choice(nodes)
            await node.start(self._read(node, self._rng.choice([1, 500, 5000])))
            await asyncio.sleep(self._rng.random() * 0.02)

    async def _read(self, node: Node, max_bytes: int) -> None:
        partition = node.partition
        try:
            fetched = await partition.read(self.next, max_bytes=max_bytes)
        except KafkaError as error:
            start = partition._view.start_offset
            if error.code is ErrorCode.offset_out_of_range:
                if self.next >= start:
                    raise AssertionError(f"{error}, but was read up to {self.next}") from error
                self.next = start
            await asyncio.sleep(0.05)
            return
        for data in fetched.records:
            read = DefaultRecordBatch(data)
            assert read.base_offset == self.next, f"read {read.base_offset} where {self.next} was due"
            self.seen += [(record.offset, bytes(record.value or b"")) for record in read]
            self.next = self.seen[-1][0] + 1
        if not fetched.records:
            waiting = partition.advanced(self.next)
            await asyncio.wait([waiting], timeout=0.5)
            waiting.cancel()
