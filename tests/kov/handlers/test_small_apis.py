"""ApiVersions, InitProducerId and FindCoordinator."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from kio.schema.api_versions.v0.response import ApiVersionsResponse as ApiVersionsV0
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v2.response import FindCoordinatorResponse as FindCoordinatorV2
from kio.schema.find_coordinator.v4.response import FindCoordinatorResponse as FindCoordinatorV4

from kov.handlers.api_versions import ApiVersionsRequest, ApiVersionsResponse
from kov.handlers.find_coordinator import FindCoordinatorRequest
from kov.handlers.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tests.kov.handlers.door import Door, Wire, a_door
from tests.kov.wire.requests import frame, request, sized

LISTED = {0: (0, 13), 1: (4, 18), 2: (1, 11), 3: (0, 13), 10: (0, 6), 11: (0, 9), 18: (0, 4), 22: (0, 5)}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with a_door() as door:
        yield door


@pytest.fixture
async def wire(door: Door) -> Wire:
    return await door.connect()


@pytest.mark.parametrize("version", range(5))
async def test_what_is_served_is_listed_and_produce_from_version_0(wire: Wire, version: int) -> None:
    answer = await wire.ask(ApiVersionsResponse, version, ApiVersionsRequest())
    assert answer.error_code is ErrorCode.none
    listed = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
    assert LISTED.items() <= listed.items()


async def test_a_later_version_is_answered_in_the_form_of_version_0_and_the_connection_stays(
    wire: Wire,
) -> None:
    plain = frame(request(18, 3, ApiVersionsRequest()), correlation_id=-3)
    wire.send_bytes(sized(plain[:2] + b"\x00\x63" + plain[4:] + b"whatever comes later"))
    correlation_id, answer = await wire.receive(18, 0)
    assert isinstance(answer, ApiVersionsV0)
    assert (correlation_id, answer.error_code) == (-3, ErrorCode.unsupported_version)
    assert [(api.api_key, api.min_version, api.max_version) for api in answer.api_keys] == [(18, 0, 4)]
    again = await wire.ask(ApiVersionsResponse, 3, ApiVersionsRequest())
    assert again.error_code is ErrorCode.none


@pytest.mark.parametrize("name", ["", "-x", "a b", "ä"])
async def test_a_software_name_that_kafka_refuses_is_refused(wire: Wire, name: str) -> None:
    answer = await wire.ask(ApiVersionsResponse, 3, ApiVersionsRequest(client_software_name=name))
    assert answer.error_code is ErrorCode.invalid_request


def asking(
    producer_id: int = -1, producer_epoch: int = -1, transactional_id: str | None = None
) -> InitProducerIdRequest:
    return InitProducerIdRequest(
        transactional_id=transactional_id,
        transaction_timeout=timedelta(minutes=1),
        producer_id=producer_id,
        producer_epoch=producer_epoch,
    )


async def init(wire: Wire, version: int, body: InitProducerIdRequest) -> InitProducerIdResponse:
    return await wire.ask(InitProducerIdResponse, version, body)


@pytest.mark.parametrize("version", range(6))
async def test_producer_ids_are_new_each_time(wire: Wire, version: int) -> None:
    answers = [await init(wire, version, asking()) for _ in range(20)]
    assert {(answer.error_code, answer.producer_epoch) for answer in answers} == {(ErrorCode.none, 0)}
    ids = {answer.producer_id for answer in answers}
    assert len(ids) == 20
    assert all(0 <= each < 2**62 for each in ids)
    assert max(ids) > 2**50


async def test_a_producer_that_names_its_id_gets_a_new_one_as_from_kafka(wire: Wire) -> None:
    answer = await init(wire, 3, asking(77, 4))
    assert (answer.error_code, answer.producer_epoch) == (ErrorCode.none, 0)
    assert answer.producer_id != 77


@pytest.mark.parametrize("body", [asking(7, -1), asking(-1, 7)])
async def test_half_a_producer_identity_is_refused(wire: Wire, body: InitProducerIdRequest) -> None:
    assert (await init(wire, 4, body)).error_code is ErrorCode.invalid_request


@pytest.mark.parametrize("version", range(6))
async def test_a_transactional_id_is_refused_for_good_and_logged_once(
    wire: Wire, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"t{version}"
    for _ in range(3):
        answer = await init(wire, version, asking(transactional_id=name))
        assert answer.error_code is ErrorCode.transactional_id_authorization_failed
        assert answer.producer_id == -1
    (record,) = [record for record in caplog.records if name in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "doesn't serve transactions" in record.getMessage()


@pytest.mark.parametrize(
    ("key_type", "code", "text"),
    [
        (1, ErrorCode.transactional_id_authorization_failed, "doesn't serve transactions"),
        (2, ErrorCode.group_authorization_failed, "doesn't serve consumer groups"),
        (9, ErrorCode.invalid_request, "no coordinator of type 9"),
    ],
)
async def test_who_has_no_coordinator_is_told_why(
    wire: Wire, key_type: int, code: ErrorCode, text: str
) -> None:
    single = await wire.ask_entity(2, FindCoordinatorRequest(key="k", key_type=key_type))
    assert isinstance(single, FindCoordinatorV2)
    assert single.error_code is code
    assert text in str(single.error_message)
    several = await wire.ask_entity(4, FindCoordinatorRequest(coordinator_keys=("a", "b"), key_type=key_type))
    assert isinstance(several, FindCoordinatorV4)
    assert [(each.key, each.error_code) for each in several.coordinators] == [("a", code), ("b", code)]
    assert all(text in str(each.error_message) for each in several.coordinators)


@pytest.mark.parametrize("version", range(7))
async def test_every_version_of_find_coordinator_is_answered(wire: Wire, version: int) -> None:
    """A group's coordinator is the node that was asked, which then refuses the group."""
    entity = await wire.ask_entity(version, FindCoordinatorRequest(key="g", coordinator_keys=("g",)))
    assert "error_code=<ErrorCode.none: 0>" in repr(entity)
    assert "node_id=1, host='kov-1', port=9092" in repr(entity)


async def test_no_coordinator_is_asked_for(wire: Wire) -> None:
    entity = await wire.ask_entity(6, FindCoordinatorRequest(coordinator_keys=()))
    assert "coordinators=()" in repr(entity)
