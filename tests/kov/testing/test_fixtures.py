"""`kov_broker` and `kov_topic`, with the tests that a user of theirs would write."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as KafkaPythonPartition

from kov.testing import Broker

_RECORDS = 20


async def test_aiokafka_reads_back_what_it_produced(kov_broker: Broker, kov_topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kov_broker.bootstrap_servers) as producer:
        sent = [await producer.send(kov_topic, b"%d" % number, partition=0) for number in range(_RECORDS)]
        offsets = [(await each).offset for each in sent]
    assert offsets == list(range(_RECORDS))
    async with AIOKafkaConsumer(
        bootstrap_servers=kov_broker.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(kov_topic, 0)])
        values = [(await consumer.getone()).value for _ in range(_RECORDS)]
    assert values == [b"%d" % number for number in range(_RECORDS)]


def test_synchronous_test_reads_back_what_it_produced(kov_broker: Broker, kov_topic: str) -> None:
    with closing(KafkaProducer(bootstrap_servers=kov_broker.bootstrap_servers)) as producer:
        assert producer.send(kov_topic, b"value", partition=1).get(30).offset == 0
    with closing(KafkaConsumer(bootstrap_servers=kov_broker.bootstrap_servers, group_id=None)) as consumer:
        consumer.assign([KafkaPythonPartition(kov_topic, 1)])
        consumer.seek_to_beginning()
        assert next(consumer).value == b"value"


def test_topic_is_named_after_the_test(kov_topic: str) -> None:
    assert kov_topic.startswith("test_topic_is_named_after_the_test-")


@pytest.mark.parametrize("odd", ["a/b c", "ä" * 300])
def test_topic_has_a_name_that_kafka_allows(kov_topic: str, odd: str) -> None:
    assert len(kov_topic) <= 249
    assert kov_topic.isascii()
    assert "/" not in kov_topic
    assert " " not in kov_topic


_CONFTEST = """
pytest_plugins = ["kov.testing.fixtures"]
"""
_TESTS = """
import asyncio
import socket

seen = []

def _connects(broker):
    host, port = broker.bootstrap_servers.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10):
        seen.append(broker.bootstrap_servers)

def test_synchronous(kov_broker):
    _connects(kov_broker)

def test_with_an_event_loop(kov_broker, kov_topic):
    async def look():
        _connects(kov_broker)
    asyncio.run(look())
    assert len(set(seen)) == 1, "one broker for all tests"

def test_says_where(kov_broker):
    print("data:", kov_broker.data)
"""


@pytest.mark.slow
def test_another_project_names_the_fixtures_in_its_conftest(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_it.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:asyncio", "-W", "error", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    data = Path(done.stdout.partition("data: ")[2].split()[0])
    assert not data.exists()


@pytest.mark.slow
def test_fixtures_need_no_testcontainers() -> None:
    program = "import sys; sys.modules['testcontainers'] = None; import kov.testing.fixtures, kov.testing"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_broker_runs_in_a_thread_and_only_its_store_outside(kov_broker: Broker) -> None:
    assert "kov broker" in [thread.name for thread in threading.enumerate()]
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    assert [each for each in commands if str(kov_broker.data) in each and "varlog_lite" in each]
