"""`start_broker` and `run_broker`: what they promise of starting, ending and of the records in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

import kov.testing
from kov.errors import CannotStart
from kov.testing import run_broker, start_broker
from tests.waiting import wait_for_sync


async def _produce(bootstrap: str, topic: str, value: bytes) -> int:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        return int((await producer.send_and_wait(topic, value, partition=0)).offset)


async def test_records_outlive_a_broker_that_was_given_a_directory(tmp_path: Path) -> None:
    async with start_broker(partitions=2, data=tmp_path) as broker:
        assert broker.data == tmp_path
        assert await _produce(broker.bootstrap_servers, "kept", b"one") == 0
    async with (
        start_broker(data=tmp_path) as broker,
        AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer,
    ):
        assert consumer.partitions_for_topic("kept") in (None, {0, 1})
        consumer.assign([TopicPartition("kept", 0)])
        assert (await consumer.getone()).value == b"one"
        assert consumer.partitions_for_topic("kept") == {0, 1}


def test_nothing_is_left_of_a_broker() -> None:
    threads = threading.enumerate()
    with run_broker() as broker:
        assert broker.data.is_dir()
        (store,) = [
            child for child in psutil.Process().children() if str(broker.data) in " ".join(child.cmdline())
        ]
    assert not broker.data.exists()
    assert not store.is_running()
    names = [thread.name for thread in threading.enumerate() if thread not in threads]
    assert "kov broker" not in names


@pytest.mark.slow
def test_what_a_test_raises_ends_the_broker_and_goes_on() -> None:
    with pytest.raises(ZeroDivisionError), run_broker() as broker:
        raise ZeroDivisionError
    assert not broker.data.exists()


def test_directory_in_use_is_said_before_the_test_runs(tmp_path: Path) -> None:
    with (
        run_broker(data=tmp_path),
        pytest.raises(CannotStart, match="in use by another kov"),
        run_broker(data=tmp_path),
    ):
        pytest.fail("it started")


@pytest.mark.slow
async def test_directory_in_use_is_said_in_the_event_loop_too(tmp_path: Path) -> None:
    async with start_broker(data=tmp_path):
        with pytest.raises(CannotStart, match="in use by another kov"):
            async with start_broker(data=tmp_path):
                pytest.fail("it started")


_KILLED = """
import sys, time
from pathlib import Path
from kov.testing import run_broker
with run_broker(data=Path(sys.argv[1])):
    print("serves", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_store_ends_with_a_killed_test_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "serves\n"
        (store,) = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
    wait_for_sync(lambda: not store.is_running(), what="the store ended")


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'KafkaContainer'"):
        kov.testing.KafkaContainer  # noqa: B018
