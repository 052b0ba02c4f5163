"""`kov serve FILE` as a process: SIGHUP, edited files, and several workers that follow one file."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient

from tests.kov.server.conftest import Cluster, cluster
from tests.kov.server.test_workers import nodes_of
from tests.kov_process import KovProcess
from tests.waiting import wait_for

__all__ = ["cluster"]

pytestmark = pytest.mark.slow

ORDERS = "topics:\n  orders: {topic_id: 1, partitions: [1, 2]}\n"
PAYMENTS = "  payments: {topic_id: 2, partitions: [4]}\n"


def produce(address: str, topic: str) -> list[KafkaError | None]:
    producer = Producer({"bootstrap.servers": address, "topic.metadata.propagation.max.ms": 3_000})
    answers: list[KafkaError | None] = []
    for _ in range(10):
        producer.produce(topic, b"x", on_delivery=lambda error, _: answers.append(error))
    producer.flush(10)
    return answers


async def eventually(kov: KovProcess, expected: dict[str, int]) -> None:
    """Every node has these topics, with so many partitions; the others hear of a change a moment later."""
    for address in kov.address.split(","):
        admin = AdminClient({"bootstrap.servers": address})
        async with asyncio.timeout(10):
            while True:
                listed = (await asyncio.to_thread(admin.list_topics)).topics
                if {name: len(topic.partitions) for name, topic in listed.items()} == expected:
                    break


def edit(cluster: Cluster, edited: Callable[[str], str]) -> Path:
    """As editors do it: another file takes the old one's place."""
    file = cluster.directory / "m.yaml"
    new = file.with_suffix(".new")
    new.write_text(edited(file.read_text()))
    return new.rename(file)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_every_node_follows_the_file_and_so_does_one_that_is_started_again(
    cluster: Cluster, tmp_path: Path, workers: str
) -> None:
    cluster.config(ORDERS)
    file = cluster.directory / "m.yaml"
    kov = KovProcess(tmp_path, str(file), "--workers", workers)
    await asyncio.to_thread(kov.start)
    try:
        edit(cluster, lambda text: text + PAYMENTS)
        await wait_for(lambda: "topic payments is new" in kov.log.read_text())
        await eventually(kov, {"orders": 2, "payments": 1})
        assert await asyncio.to_thread(produce, kov.address, "payments") == [None] * 10

        edit(
            cluster, lambda text: text.replace(ORDERS, "topics:\n  orders: {topic_id: 1, partitions: [4]}\n")
        )
        await wait_for(lambda: "is not taken over" in kov.log.read_text())
        assert kov.log.read_text().count("already serves topics.orders.partitions[0]") == 1

        edit(cluster, lambda text: text.replace("[4]}\n  pay", "[1, 2, 3]}\n  pay"))
        kov.process.send_signal(signal.SIGHUP)
        await wait_for(lambda: "topic orders has 3 partitions instead of 2" in kov.log.read_text())
        if workers == "2":
            victim = (await asyncio.to_thread(nodes_of, kov))[2]
            victim.send_signal(signal.SIGHUP)
            victim.kill()
            await wait_for(lambda: "node 2 runs again" in kov.log.read_text(), timeout_s=60)
        await eventually(kov, {"orders": 3, "payments": 1})

        edit(cluster, lambda text: text.replace(PAYMENTS, ""))
        await wait_for(lambda: "topic payments is served no longer" in kov.log.read_text())
        await eventually(kov, {"orders": 3})
        refused = {
            error.code() for error in await asyncio.to_thread(produce, kov.address, "payments") if error
        }
        assert refused
        assert refused <= {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART}
    finally:
        assert await asyncio.to_thread(kov.stop) == 0
    assert "Traceback" not in kov.log.read_text()


async def test_a_hang_up_of_the_terminal_ends_a_kov_that_has_no_file(tmp_path: Path) -> None:
    kov = await asyncio.to_thread(KovProcess(tmp_path).start)
    assert await asyncio.to_thread(kov.stop, signal.SIGHUP) == 0
    assert "stopping" in kov.log.read_text()
