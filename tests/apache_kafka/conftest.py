from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.apache_kafka.oracle import Oracle
from tests.apache_kafka.server import ApacheKafka, build
from tests.kov.kafka_table.side import TOPICS
from tests.kov.kafka_table.site import a_site


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One server for all tests; a machine without a JDK or Maven fails them."""
    directory = tmp_path_factory.mktemp("apache-kafka")
    with ApacheKafka(build(directory / "jars"), directory) as kafka:
        yield kafka


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def oracle(
    apache_kafka: ApacheKafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Oracle]:
    """Kafka, and a kov in this process, with new topics for each module."""
    async with a_site(tmp_path_factory.mktemp("kov")) as site, site.kov() as kov:
        kafka = await apache_kafka.side(TOPICS)
        yield Oracle(kafka, kov)
        await apache_kafka.delete(kafka)
