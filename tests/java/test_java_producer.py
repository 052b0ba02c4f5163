"""Apache Kafka's own producer, unmodified, against `kov serve`."""

from __future__ import annotations

import time

import pytest

from tests.clients.consumers import ends
from tests.clients.records import records, sized
from tests.clients.round_trips import LARGEST_VALUE, TOO_LARGE_VALUE, play
from tests.clients.scenario import Scenario, everyday, remaining
from tests.clients.stage import Stage
from tests.java.driver import BUILD_S, JavaFailure, JavaProducer

# The first of these tests waits until Maven has fetched the libraries.
pytestmark = [pytest.mark.java, pytest.mark.timeout(BUILD_S + 120)]

_JVM_AND_AT_ONCE_S = 10.0


@pytest.mark.parametrize("scenario", everyday("java"), ids=str)
async def test_records_come_back_as_they_were_sent(
    stage: Stage, java_producer: JavaProducer, scenario: Scenario
) -> None:
    await play(stage, scenario, java_producer.produce, records("p", 300, partitions=2, nulls=scenario.nulls))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", remaining("java"), ids=str)
async def test_records_come_back_from_the_rest_of_the_product(
    stage: Stage, java_producer: JavaProducer, scenario: Scenario
) -> None:
    await play(stage, scenario, java_producer.produce, records("p", 300, partitions=2, nulls=scenario.nulls))


async def test_records_of_almost_max_message_bytes_come_back(
    stage: Stage, java_producer: JavaProducer
) -> None:
    sent = sized("large", [LARGEST_VALUE, 10, LARGEST_VALUE, LARGEST_VALUE, 1])
    await play(stage, Scenario(library="java"), java_producer.produce, sent)


async def test_too_large_record_is_the_clients_own_error(stage: Stage, java_producer: JavaProducer) -> None:
    topic = stage.topic()
    sent = sized("large", [TOO_LARGE_VALUE])
    with pytest.raises(JavaFailure, match="RecordTooLargeException"):
        await java_producer.produce(stage.bootstrap, topic, sent, Scenario(library="java"))
    assert (await ends(stage.bootstrap, topic, [0])) == {0: 0}


async def test_transactional_producer_fails_at_once(stage: Stage, java_producer: JavaProducer) -> None:
    properties = {"bootstrap.servers": stage.bootstrap, "transactional.id": "transaction"}
    begun = time.monotonic()
    with pytest.raises(JavaFailure, match="TransactionalIdAuthorizationException"):
        await java_producer.run(stage.topic(), [], properties)
    assert time.monotonic() - begun < _JVM_AND_AT_ONCE_S
