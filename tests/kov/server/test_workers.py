"""`kov serve --workers`: nodes that share the partitions, die one by one, and end together."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, PartitionMetadata

from tests.kov_process import ROOT, KovProcess
from tests.waiting import wait_for_sync

pytestmark = pytest.mark.slow

PARTITIONS = 12
RECORDS = 3_000


@pytest.fixture
def two_nodes(tmp_path: Path) -> Iterator[KovProcess]:
    with KovProcess(tmp_path, "--data", str(tmp_path / "kov-data"), "--workers", "2") as kov:
        yield kov


def nodes_of(kov: KovProcess) -> dict[int, psutil.Process]:
    """The process of each node, by its id."""
    workers = [each for each in descendants(kov) if "kov.worker" in each.cmdline()]
    ports = {
        each.laddr.port: worker for worker in workers for each in worker.net_connections() if not each.raddr
    }
    brokers = AdminClient({"bootstrap.servers": kov.address}).list_topics(timeout=10).brokers
    return {number: ports[broker.port] for number, broker in brokers.items()}


def descendants(kov: KovProcess) -> list[psutil.Process]:
    return psutil.Process(kov.process.pid).children(recursive=True)


def leaders(address: str, topic: str) -> dict[int, int]:
    """A node hears of a topic that another one made a moment after the one who asked for it."""
    admin = AdminClient({"bootstrap.servers": address})

    def partitions() -> dict[int, PartitionMetadata]:
        return admin.list_topics(topic, timeout=10).topics[topic].partitions

    return {number: partition.leader for number, partition in wait_for_sync(partitions).items()}


def create(address: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(topic, PARTITIONS)])[topic].result(20)


def read(address: str, topic: str) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused", "enable.partition.eof": True})
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        values: list[bytes] = []
        at_end = 0
        while at_end < PARTITIONS:
            message = consumer.poll(10)
            assert message is not None, "nothing more came"
            if message.error():
                at_end += 1
            else:
                values.append(message.value() or b"")
        return values
    finally:
        consumer.close()


def test_a_client_that_knows_one_address_finds_the_leaders_on_both_nodes(two_nodes: KovProcess) -> None:
    first, second = two_nodes.address.split(",")
    create(second, "orders")
    led = leaders(first, "orders")
    assert set(led.values()) == {1, 2}
    assert leaders(second, "orders") == led
    producer = Producer({"bootstrap.servers": first})
    for number in range(RECORDS):
        producer.produce("orders", b"%d" % number, partition=number % PARTITIONS)
    assert producer.flush(30) == 0
    assert sorted(map(int, read(second, "orders"))) == list(range(RECORDS))


def test_a_node_that_is_killed_comes_back_and_nothing_is_lost_or_doubled(two_nodes: KovProcess) -> None:
    create(two_nodes.address, "orders")
    victim = nodes_of(two_nodes)[2]
    producer = Producer({"bootstrap.servers": two_nodes.address, "enable.idempotence": True, "linger.ms": 1})
    answers: list[object] = []
    for number in range(RECORDS):
        producer.produce(
            "orders",
            b"%d" % number,
            partition=number % PARTITIONS,
            on_delivery=lambda error, _: answers.append(error),
        )
        producer.poll(0)
        if number == RECORDS // 2:
            victim.kill()
    assert producer.flush(60) == 0
    assert answers == [None] * RECORDS
    assert sorted(map(int, read(two_nodes.address, "orders"))) == list(range(RECORDS))
    assert nodes_of(two_nodes)[2].pid != victim.pid
    said = two_nodes.log.read_text()
    assert "node 2 ended (status -9), starting it again" in said
    assert "node 2 runs again" in said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_all_nodes_end_with_the_first_process_when_it_is_asked_to(
    two_nodes: KovProcess, how: signal.Signals
) -> None:
    create(two_nodes.address, "orders")
    processes = descendants(two_nodes)
    assert len(processes) == 3  # two nodes and the store
    assert two_nodes.stop(how) == 0
    assert not any(map(psutil.Process.is_running, processes))
    assert "Traceback" not in two_nodes.log.read_text()


def test_all_nodes_end_when_the_first_process_is_killed(two_nodes: KovProcess) -> None:
    create(two_nodes.address, "orders")
    processes = descendants(two_nodes)
    two_nodes.kill()
    wait_for_sync(lambda: not any(map(psutil.Process.is_running, processes)), timeout_s=30)


def refused(*arguments: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "kov", "serve", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@contextmanager
def taken_behind_a_free_one() -> Iterator[int]:
    """A port that is taken; the one before it is free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port: int = taken.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port - 1)).close()
            except OSError:
                continue
            yield port
            return


def test_a_port_that_is_taken_is_named_also_when_it_is_not_the_first(tmp_path: Path) -> None:
    with taken_behind_a_free_one() as port:
        status, said = refused("--data", str(tmp_path), "--workers", "2", "--listen", f"127.0.0.1:{port - 1}")
    assert status == 1
    assert f"can't listen on 127.0.0.1:{port}: the port is taken by another program" in said


def test_ports_past_the_last_one_are_refused(tmp_path: Path) -> None:
    status, said = refused("--data", str(tmp_path), "--workers", "3", "--listen", "127.0.0.1:65534")
    assert status == 2
    assert "3 workers need ports up to 65536; choose a lower first one with --listen" in said


def test_a_file_that_lists_nodes_is_not_for_workers(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(
        'varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n'
        "topics: {orders: {topic_id: 1, partitions: [1]}}\n"
        "node: {id: 1}\n"
        'nodes: {1: {listeners: {default: {bind: "127.0.0.1:9092"}}}}\n'
    )
    status, said = refused(str(file), "--workers", "2")
    assert status == 2
    assert f"run `kov serve {file} --node-id ID` for each of them" in said


def test_a_node_that_can_not_start_ends_all_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(
        'varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n'
        "topics: {orders: {topic_id: 1, partitions: [1]}}\n"
    )
    status, said = refused(str(file), "--workers", "2", "--listen", "127.0.0.1:0")
    assert status == 1
    assert "the Varlog cluster can't be reached" in said
    assert "can't start, see above (status 1)" in said
    assert "Traceback" not in said
