"""`kov serve` as a process: starting, refusing to start, stopping, dying, coming back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.kov_process import KovProcess
from tests.waiting import wait_for_sync

UNREACHABLE = """\
varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}
topics: {orders: {topic_id: 1, partitions: [1]}}
"""


def produce(address: str, topic: str, values: int = 1) -> None:
    """Returns when all are acknowledged."""
    producer = Producer({"bootstrap.servers": address, "message.timeout.ms": 20_000})
    answers: list[object] = []
    for n in range(values):
        producer.produce(topic, b"%d" % n, on_delivery=lambda error, _: answers.append(error))
    assert producer.flush(25) == 0
    assert answers == [None] * values


def topics(address: str) -> dict[str, int]:
    listed = AdminClient({"bootstrap.servers": address}).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in listed.items()}


def records(address: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused"})
    try:
        ranges = (consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10) for n in range(4))
        return sum(high for _, high in ranges)
    finally:
        consumer.close()


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_says_where_to_send_records_and_takes_them(shared_kov: KovProcess, topic: str) -> None:
    assert shared_kov.ready_line == (
        f"kov is ready: bootstrap.servers={shared_kov.address} (embedded store in {shared_kov.data})"
    )
    produce(shared_kov.address, topic)
    assert topics(shared_kov.address)[topic] == 4


def test_it_says_what_is_not_served_yet(shared_kov: KovProcess) -> None:
    assert "not served yet: TLS and SASL, consumer groups, transactions" in shared_kov.log.read_text()


def test_sigterm_ends_it_cleanly_and_topics_are_kept(kov_server: KovProcess) -> None:
    produce(kov_server.address, "orders", 100)
    store = kov_server.store.pid

    assert kov_server.stop(signal.SIGTERM) == 0
    assert gone(store)()
    said = kov_server.log.read_text()
    assert "ERROR" not in said
    assert "WARNING" not in said

    kov_server.start()
    assert topics(kov_server.address) == {"orders": 4}


def test_a_stop_in_the_middle_of_a_load_costs_no_record_and_doubles_none(kov_server: KovProcess) -> None:
    producer = Producer({"bootstrap.servers": kov_server.address, "enable.idempotence": True})
    answers: list[object] = []
    for n in range(20_000):
        producer.produce("orders", b"%d" % n, on_delivery=lambda error, _: answers.append(error))
    wait_for_sync(lambda: producer.poll(0.01) >= 0 and len(answers) > 500)
    assert kov_server.stop() == 0
    kov_server.start()

    assert producer.flush(60) == 0
    assert answers == [None] * 20_000
    assert records(kov_server.address, "orders") == 20_000


def test_ctrl_c_in_a_terminal_reaches_the_store_last(tmp_path: Path) -> None:
    kov = KovProcess(tmp_path)
    kov.new_process_group = True
    with kov:
        os.killpg(kov.process.pid, signal.SIGINT)
        assert kov.wait() == 0
    assert "the embedded store ended" not in kov.log.read_text()


def test_the_store_ends_with_a_killed_kov_and_the_next_one_takes_over(kov_server: KovProcess) -> None:
    produce(kov_server.address, "orders")
    store = kov_server.store.pid
    kov_server.kill()
    kov_server.start()

    assert gone(store)()
    assert topics(kov_server.address) == {"orders": 4}
    produce(kov_server.address, "orders")


def test_a_killed_store_is_started_again_where_it_was(kov_server: KovProcess) -> None:
    produce(kov_server.address, "orders")
    store = kov_server.store
    listening = store.net_connections()[0].laddr.port
    store.kill()
    produce(kov_server.address, "orders", 50)

    assert kov_server.store.pid != store.pid
    assert listening in {each.laddr.port for each in kov_server.store.net_connections()}
    assert "the embedded store ended (signal 9), starting it again" in kov_server.log.read_text()


def test_a_second_signal_ends_it_at_once_however_stuck_the_store_is(kov_server: KovProcess) -> None:
    produce(kov_server.address, "orders")
    store = kov_server.store
    store.suspend()
    try:
        kov_server.process.send_signal(signal.SIGTERM)
        wait_for_sync(lambda: "stopping" in kov_server.log.read_text())
        assert kov_server.stop(signal.SIGTERM) == 128 + signal.SIGTERM
        assert "second signal, ending at once" in kov_server.log.read_text()
    finally:
        store.kill()


def test_a_signal_while_it_starts_ends_it(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(UNREACHABLE)
    kov = KovProcess(tmp_path, str(tmp_path / "m.yaml"))
    process = kov.launch()
    try:
        wait_for_sync(lambda: "connecting to the Varlog cluster at 127.0.0.1:1" in kov.log.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_mapping_file_with_mistakes_is_refused_with_all_of_them_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(UNREACHABLE.replace("cluster_id", "clusterid"))
    kov = KovProcess(tmp_path, "m.yaml", cwd=tmp_path)
    process = kov.launch()
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert kov.log.read_text().splitlines() == [
        "kov: m.yaml:1: varlog.cluster_id: is missing; write the Varlog cluster's id, for example 1",
        "m.yaml:1: varlog.clusterid: unknown key; did you mean cluster_id?",
    ]


def test_a_directory_in_use_is_refused_and_its_user_is_not_disturbed(
    shared_kov: KovProcess, tmp_path: Path, topic: str
) -> None:
    kov = KovProcess(tmp_path, "--data", str(shared_kov.data))
    process = kov.launch()
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert kov.log.read_text() == (
        f"kov: the data directory {shared_kov.data} is in use by another kov "
        f"(process {shared_kov.process.pid}); stop that, or choose another directory with --data\n"
    )
    produce(shared_kov.address, topic)


def test_what_nobody_can_connect_to_is_not_advertised(tmp_path: Path) -> None:
    kov = KovProcess(tmp_path)
    kov.address = "0.0.0.0:0"
    with kov:
        host, _, port = kov.address.rpartition(":")
        assert host not in {"0.0.0.0", ""}
        assert "listening on every address of this host (0.0.0.0)" in kov.log.read_text()
        brokers = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"}).list_topics(timeout=10).brokers
        assert [f"{each.host}:{each.port}" for each in brokers.values()] == [kov.address]
