"""Requests that tools make beside topics and settings: rights, quotas, credentials, transactions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.apache_kafka.questions import Question
from tests.kov.kafka_table.side import asking


def rights() -> Iterator[Question]:
    creation = {
        "resource_type": 2, "resource_name": "asked", "resource_pattern_type": 3, "principal": "User:a",
        "host": "*", "operation": 3, "permission_type": 3,
    }  # fmt: skip
    wanted = {
        "resource_type_filter": 2, "resource_name_filter": None, "pattern_type_filter": 1,
        "principal_filter": None, "host_filter": None, "operation": 1, "permission_type": 1,
    }  # fmt: skip
    for version in (1, 2, 3):
        for what, creations in (
            ("one", [creation]), ("two", [creation, creation]), ("none", []),
            ("of no type", [{**creation, "resource_type": 0}]),
            ("of any type", [{**creation, "resource_type": 1}]),
            ("of a strange type", [{**creation, "resource_type": 99}]),
            ("no operation", [{**creation, "operation": 0}]),
            ("no permission", [{**creation, "permission_type": 0}]),
            ("no pattern", [{**creation, "resource_pattern_type": 0}]),
            ("any pattern", [{**creation, "resource_pattern_type": 1}]),
            ("no name", [{**creation, "resource_name": ""}]),
        ):  # fmt: skip
            yield Question(
                f"CreateAcls v{version}, {what}",
                lambda _, v=version, c=creations: asking(30, v, creations=c),  # type: ignore[misc]
            )
        for what, filters in (
            ("one", [wanted]), ("two", [wanted, wanted]), ("none", []),
            ("of no type", [{**wanted, "resource_type_filter": 0}]),
            ("of a strange type", [{**wanted, "resource_type_filter": 99}]),
            ("no operation", [{**wanted, "operation": 0}]),
            ("no pattern", [{**wanted, "pattern_type_filter": 0}]),
        ):  # fmt: skip
            yield Question(
                f"DeleteAcls v{version}, {what}",
                lambda _, v=version, f=filters: asking(31, v, filters=f),  # type: ignore[misc]
            )


def transactions() -> Iterator[Question]:
    for version in range(3):
        for states in ((), ("Ongoing",), ("Ongoing", "x"), ("x", "x"), ("ongoing",), ("Dead", "Empty", "")):
            yield Question(
                f"ListTransactions v{version}, {states}",
                lambda _, v=version, s=states: asking(66, v, state_filters=s),  # type: ignore[misc]
            )
        yield Question(
            f"ListTransactions v{version}, a producer",
            lambda _, v=version: asking(66, v, producer_id_filters=(7,)),  # type: ignore[misc]
        )


def quotas() -> Iterator[Question]:
    for version in range(2):
        for strict in (False, True):
            for what, asked in (
                ("all", []), ("a user", [("user", 0, "a")]), ("the default user", [("user", 1, None)]),
                ("any user", [("user", 2, None)]), ("a user twice", [("user", 0, "a"), ("user", 0, "b")]),
                ("a user's client", [("user", 0, "a"), ("client-id", 2, None)]), ("an ip", [("ip", 2, None)]),
                ("a user's ip", [("user", 0, "a"), ("ip", 2, None)]), ("a stranger", [("x", 0, "a")]),
                ("nobody", [("", 0, "a")]), ("a strange match", [("user", 3, "a")]),
                ("a negative match", [("user", -1, "a")]),
            ):  # fmt: skip
                components = [
                    {"entity_type": kind, "match_type": match, "match": name} for kind, match, name in asked
                ]
                yield Question(
                    f"DescribeClientQuotas v{version}, {what}{', strictly' if strict else ''}",
                    lambda _, v=version, c=components, s=strict: asking(48, v, components=c, strict=s),  # type: ignore[misc]
                )


def credentials() -> Iterator[Question]:
    for what, names in (
        ("all", None), ("none", ()), ("one", ("a",)), ("two", ("b", "a")), ("one twice", ("a", "a", "b")),
        ("one three times", ("a", "a", "a")), ("an empty name", ("",)),
    ):  # fmt: skip
        users = None if names is None else [{"name": name} for name in names]
        yield Question(
            f"DescribeUserScramCredentials v0, {what}",
            lambda _, u=users: asking(50, 0, users=u),  # type: ignore[misc]
        )


def resources() -> Iterator[Question]:
    yield Question("ListConfigResources v0", lambda _: asking(74, 0))
    for kinds in ((2,), (4,), (8,), (16,), (32,), (4, 4), (16, 4), (0,), (1,), (3,), (64,), (4, 99), (-1,)):
        yield Question(f"ListConfigResources v1, {kinds}", lambda _, k=kinds: asking(74, 1, resource_types=k))  # type: ignore[misc]


TOOL_QUESTIONS: Final = (*rights(), *transactions(), *quotas(), *credentials(), *resources())
