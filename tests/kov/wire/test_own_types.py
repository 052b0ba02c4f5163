"""Types of our own against kio's schemas of different versions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v0.request import FindCoordinatorRequest as AskV0
from kio.schema.find_coordinator.v0.response import FindCoordinatorResponse as AnswerV0
from kio.schema.find_coordinator.v1.request import FindCoordinatorRequest as AskV1
from kio.schema.find_coordinator.v4.request import FindCoordinatorRequest as AskV4
from kio.schema.metadata.v1.request import MetadataRequest as TopicsV1
from kio.schema.produce.v10.response import PartitionProduceResponse as PartV10

from kov.handlers.lookup import LeaderIdAndEpoch
from kov.handlers.produce import PartitionProduceResponse
from kov.wire.cursor import Cursor
from kov.wire.reading import reader
from kov.wire.writing import writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    key: str = "none"
    key_type: int = 9
    coordinator_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyType:
    key_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    topics: tuple[Name, ...] | None


def test_what_a_version_lacks_takes_the_declared_default() -> None:
    assert reader(AskV0, Ask)(Cursor(b"\0\1k", 0)) == Ask(key="k", key_type=9)
    assert reader(AskV1, Ask)(Cursor(b"\0\1k\1", 0)) == Ask(key="k", key_type=1)
    assert reader(AskV4, Ask)(Cursor(b"\1\3\2a\2b\0", 0)) == Ask(key_type=1, coordinator_keys=("a", "b"))


def test_what_is_not_declared_is_passed_over() -> None:
    cursor = Cursor(b"\0\1k\1", 0)
    assert reader(AskV1, OnlyType)(cursor) == OnlyType(key_type=1)
    assert cursor.at == 4


def test_structures_become_the_declared_ones_and_null_stays_null() -> None:
    assert reader(TopicsV1, Names)(Cursor(b"\0\0\0\1\0\1t", 0)) == Names(topics=(Name(name="t"),))
    assert reader(TopicsV1, Names)(Cursor(b"\xff\xff\xff\xff", 0)) == Names(topics=None)


def test_a_field_without_default_that_a_version_lacks_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"OnlyType\.key_type has no default, and FindCoordinatorRequest lacks"
    ):
        reader(AskV0, OnlyType)
    with pytest.raises(TypeError, match="int is not a dataclass"):
        reader(AskV0, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    node_id: int = 1
    host: str = "h"
    port: int = 2
    error_code: ErrorCode = ErrorCode.none
    later: str = "not in this version"


def written(schema: type, value: object) -> bytes:
    pieces = list[bytes]()
    writer(schema, type(value))(pieces.append, value)
    return b"".join(pieces)


def test_what_a_version_lacks_is_left_out_and_the_order_is_the_schemas() -> None:
    assert written(AnswerV0, Answer()) == b"\0\0\0\0\0\1\0\1h\0\0\0\2"


def test_an_answer_that_lacks_a_field_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Name lacks FindCoordinatorResponse\.error_code"):
        writer(AnswerV0, Name)


def test_a_tagged_field_is_sent_only_when_it_says_something() -> None:
    plain = written(PartV10, PartitionProduceResponse(index=3))
    assert plain.endswith(b"\0\0")
    hint = LeaderIdAndEpoch(leader_id=5, leader_epoch=6)
    told = written(PartV10, PartitionProduceResponse(index=3, current_leader=hint))
    assert told == plain[:-1] + b"\1\0\x09" + b"\0\0\0\5" + b"\0\0\0\6" + b"\0"
