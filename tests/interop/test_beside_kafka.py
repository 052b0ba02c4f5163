"""What a library can't do with kov it can't do with Apache Kafka either: the same drivers, both servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.apache_kafka.server import BUILD_S, ApacheKafka, build
from tests.clients.records import sized
from tests.interop.clients import CLIENTS, Client
from tests.interop.driver import Driver, DriverError, Settings
from tests.kov_process import KovProcess

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(BUILD_S + 240)]

_HANGS_AFTER_S = 20.0


@pytest.fixture(scope="module")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    directory = tmp_path_factory.mktemp("apache-kafka")
    with ApacheKafka(build(directory / "jars"), directory) as kafka:
        yield kafka


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`says`: part of what each server's clients are told, None where they wait for ever."""

    client: str
    try_it: Callable[[Driver, str, str], Awaitable[str]]
    says: str | None


async def _too_large_batch(driver: Driver, bootstrap: str, topic: str) -> str:
    settings = Settings(idempotent=False, linger_ms=1000, batch_bytes=3 << 20)
    told = await driver.produce(bootstrap, topic, sized("p", [100_000] * 15), settings)
    return "; ".join(sorted({str(each) for each in told if isinstance(each, DriverError)})) or "stored"


async def _configs(driver: Driver, bootstrap: str, topic: str) -> str:
    return str((await driver.ask("configs", bootstrap=bootstrap, topic=topic))["configs"])


ATTEMPTS = (
    Attempt(client="Java 2.8", try_it=_too_large_batch, says=None),
    Attempt(client="kafka-python", try_it=_too_large_batch, says="Future not done"),
    Attempt(client="sarama, V1_0_0_0", try_it=_configs, says="EOF"),
)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.client)
async def test_a_library_fails_at_apache_kafka_as_it_does_at_kov(
    attempt: Attempt,
    apache_kafka: ApacheKafka,
    shared_kov: KovProcess,
    driver_of: Callable[[Client], Driver],
) -> None:
    driver = driver_of(next(client for client in CLIENTS if client.name == attempt.client))
    servers: Mapping[str, str] = {"Apache Kafka": f"127.0.0.1:{apache_kafka.port}", "kov": shared_kov.address}
    for name, bootstrap in servers.items():
        said = await _outcome(driver, attempt, bootstrap)
        print(f"{attempt.client} at {name}: {said}")
        assert (said is None) == (attempt.says is None), f"{name}: {said}"
        assert attempt.says is None or attempt.says in str(said), f"{name}: {said}"


async def _outcome(driver: Driver, attempt: Attempt, bootstrap: str) -> str | None:
    topic = await asyncio.to_thread(_new_topic, bootstrap)
    trying = asyncio.ensure_future(_told(attempt.try_it(driver, bootstrap, topic)))
    done, _ = await asyncio.wait([trying], timeout=_HANGS_AFTER_S)
    driver.stop()
    said = await trying
    return said if done else None


async def _told(trying: Awaitable[str]) -> str:
    try:
        return await trying
    except (DriverError, AssertionError) as error:  # the latter: no answer
        return str(error)


def _new_topic(bootstrap: str) -> str:
    topic = f"interop-{uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)
    return topic
