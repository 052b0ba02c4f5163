"""kill -9 in the middle of making and deleting topics: whole topics or none, and no leftovers for good."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.kov_process import KovProcess

PARTITIONS = 6
_LOST_S = 1.0  # how long the client hopes for an answer that the kill has taken along


def admin(kov: KovProcess) -> AdminClient:
    return AdminClient({"bootstrap.servers": kov.address, "socket.timeout.ms": 10_000})


def topics(kov: KovProcess) -> dict[str, int]:
    found = admin(kov).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in found.items()}


def make(kov: KovProcess, name: str, timeout_s: float = 10.0) -> None:
    client = admin(kov)
    client.create_topics([NewTopic(name, PARTITIONS, 1)], request_timeout=timeout_s)[name].result()


def delete(kov: KovProcess, name: str, timeout_s: float = 10.0) -> None:
    client = admin(kov)
    client.delete_topics([name], request_timeout=timeout_s)[name].result()


def produce(kov: KovProcess, name: str) -> None:
    """One record into every partition."""
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": kov.address, "message.timeout.ms": 20_000})
    for partition in range(PARTITIONS):
        producer.produce(name, b"x", partition=partition, on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(30) == 0
    assert failures == [None] * PARTITIONS


def killed_during(kov: KovProcess, act: Callable[[], None], after_s: float) -> None:
    """Runs `act` in a thread and kills kov `after_s` seconds after it began, wherever it is then."""

    def attempt() -> None:
        with suppress(KafkaException):  # the answer is lost with the server
            act()

    acting = threading.Thread(target=attempt)
    acting.start()
    timer = threading.Event()
    timer.wait(after_s)
    kov.kill()
    acting.join()
    kov.start()


def orphans(kov: KovProcess, *more: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "kov", "topics", "--data", str(kov.data), "--orphans", *more)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "moments_s",
    [
        pytest.param((0.015,), id="once"),
        pytest.param((0.002, 0.005, 0.01, 0.02, 0.03, 0.05), marks=pytest.mark.slow, id="often"),
    ],
)
@pytest.mark.slow
def test_topics_are_whole_or_absent_wherever_a_kill_strikes(
    tmp_path: Path, moments_s: tuple[float, ...]
) -> None:
    with KovProcess(tmp_path) as kov:
        for at, after_s in enumerate(moments_s):
            name = f"made-{at}"
            killed_during(kov, partial(make, kov, name, _LOST_S), after_s)
            assert topics(kov).get(name, PARTITIONS) == PARTITIONS
            if name not in topics(kov):
                make(kov, name)
            produce(kov, name)
        for at, after_s in enumerate(moments_s):
            name = f"made-{at}"
            killed_during(kov, partial(delete, kov, name, _LOST_S), after_s)
            if name in topics(kov):
                produce(kov, name)  # fenced perhaps, and as alive as before
                delete(kov, name)
            assert name not in topics(kov)
        assert topics(kov) == {}
        make(kov, "left")
        produce(kov, "left")
        kov.stop()

        removed = orphans(kov, "--remove")
        assert removed.returncode == 0, removed.stderr
        again = orphans(kov)
        assert (again.returncode, again.stdout) == (0, "nothing is left over\n")
        kov.start()
        assert topics(kov) == {"left": PARTITIONS}
        produce(kov, "left")
