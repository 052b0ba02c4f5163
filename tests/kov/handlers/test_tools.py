"""What tools ask for and kov has none of: rights, quotas, credentials, transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from kio.schema.errors import ErrorCode

from kov.handlers.create_acls import AclCreation, CreateAclsRequest, CreateAclsResponse
from kov.handlers.delete_acls import DeleteAclsFilter, DeleteAclsRequest, DeleteAclsResponse
from kov.handlers.describe_client_quotas import (
    ComponentData,
    DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
)
from kov.handlers.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    UserName,
)
from kov.handlers.list_config_resources import ListConfigResourcesRequest, ListConfigResourcesResponse
from kov.handlers.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from tests.kov.handlers.door import Wire, a_door
from tests.kov.wire.requests import request


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with a_door() as door:
        yield await door.connect()


async def test_rights_can_be_neither_given_nor_taken(wire: Wire) -> None:
    creation = AclCreation(resource_type=2, operation=3, permission_type=3)
    wanted = DeleteAclsFilter(resource_type_filter=2, pattern_type_filter=1, operation=1, permission_type=1)
    for version in (1, 2, 3):
        created = await wire.ask(CreateAclsResponse, version, CreateAclsRequest(creations=(creation,) * 2))
        assert [each.error_code for each in created.results] == [ErrorCode.security_disabled] * 2
        deleted = await wire.ask(DeleteAclsResponse, version, DeleteAclsRequest(filters=(wanted,)))
        (result,) = deleted.filter_results
        assert (result.error_code, result.matching_acls) == (ErrorCode.security_disabled, ())


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (30, CreateAclsRequest(creations=(AclCreation(resource_type=0, operation=3, permission_type=3),))),
        (
            31,
            DeleteAclsRequest(
                filters=(
                    DeleteAclsFilter(
                        resource_type_filter=2, pattern_type_filter=1, operation=0, permission_type=1
                    ),
                )
            ),
        ),
    ],
)
async def test_rights_that_say_nothing_close_the_connection(wire: Wire, key: int, body: object) -> None:
    wire.send(request(key, 3, body))
    assert await wire.is_closed()


@pytest.mark.parametrize("version", range(3))
async def test_there_are_no_transactions(wire: Wire, version: int) -> None:
    body = ListTransactionsRequest(state_filters=("Ongoing", "Odd", "Odd"))
    answer = await wire.ask(ListTransactionsResponse, version, body)
    assert (answer.error_code, answer.transaction_states) == (ErrorCode.none, ())
    assert answer.unknown_state_filters == ("Odd",)


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([], ErrorCode.none),
        ([("user", 0), ("client-id", 2)], ErrorCode.none),
        ([("", 0)], ErrorCode.invalid_request),
        ([("tenant", 0)], ErrorCode.unsupported_version),
        ([("user", 3)], ErrorCode.invalid_request),
        ([("user", 0), ("user", 1)], ErrorCode.invalid_request),
        ([("user", 0), ("ip", 2)], ErrorCode.invalid_request),
    ],
)
async def test_there_are_no_quotas(wire: Wire, components: list[tuple[str, int]], code: ErrorCode) -> None:
    asked = tuple(ComponentData(entity_type=kind, match_type=match) for kind, match in components)
    for version in range(2):
        body = DescribeClientQuotasRequest(components=asked)
        answer = await wire.ask(DescribeClientQuotasResponse, version, body)
        assert answer.error_code is code
        assert answer.entries == (() if code is ErrorCode.none else None)


async def test_nobody_has_credentials(wire: Wire) -> None:
    everybody = DescribeUserScramCredentialsRequest(users=None)
    answer = await wire.ask(DescribeUserScramCredentialsResponse, 0, everybody)
    assert (answer.error_code, answer.results) == (ErrorCode.none, ())
    some = DescribeUserScramCredentialsRequest(users=tuple(UserName(name=name) for name in "bab"))
    answer = await wire.ask(DescribeUserScramCredentialsResponse, 0, some)
    assert [(each.user, each.error_code) for each in answer.results] == [
        ("a", ErrorCode.resource_not_found),
        ("b", ErrorCode.duplicate_resource),
    ]


async def test_topics_and_nodes_have_settings(wire: Wire) -> None:
    async def listed(*kinds: int, version: int = 1) -> list[tuple[str, int]]:
        body = ListConfigResourcesRequest(resource_types=kinds)
        answer = await wire.ask(ListConfigResourcesResponse, version, body)
        assert answer.error_code is ErrorCode.none
        return [(each.resource_name, each.resource_type) for each in answer.config_resources]

    assert await listed(version=0) == []
    assert await listed() == [("orders", 2), ("1", 4), ("1", 8)]
    assert await listed(4, 16, 32, 4) == [("1", 4)]
    strange = await wire.ask(ListConfigResourcesResponse, 1, ListConfigResourcesRequest(resource_types=(3,)))
    assert (strange.error_code, strange.config_resources) == (ErrorCode.unsupported_version, ())
