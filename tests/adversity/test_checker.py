"""The checker must see each kind of harm: doctored books and log streams, beside the same ones unharmed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from crc32c import crc32c

from tests.adversity.book import UNKNOWN_OFFSET, Book, BookWriter, Place
from tests.adversity.cast import Manner, Role
from tests.adversity.checker import Checker, Excuse, Harm
from tests.adversity.fold import Found, fold
from tests.builders import batch

PLACE = Place("t", 0)
LONG_AGO, EVER = 0.0, float("inf")


def stored(base_offset: int, epoch: int, *names: str) -> bytes:
    """A batch entry as it lies in a log stream."""
    entry = bytearray(batch([name.encode() + b":..." for name in names], codec=2))
    struct.pack_into(">q", entry, 0, base_offset)
    struct.pack_into(">i", entry, 12, epoch)
    return bytes(entry)


def fence(epoch: int, *, kind: int = 1) -> bytes:
    return struct.pack(">4sBBHiI", b"\xffkov", 1, kind, 0, epoch, crc32c(b"body")) + b"body"


@dataclass
class Case:
    """Three producers have sent records 0 to 3 each, in turn, and were told that all of them are stored."""

    directory: Path
    entries: list[bytes] = field(default_factory=list)
    unheard: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    excuses: list[Excuse] = field(default_factory=list)
    consumed: Callable[[list[Found]], list[Found]] = list

    def __post_init__(self) -> None:
        self.entries = [fence(1)]
        for number in range(4):
            names = [f"{name}/{number}" for name in ROLES]
            self.entries.append(stored(3 * number, 1, *names))
            self.told |= {name: 3 * number + index for index, name in enumerate(names)}

    def findings(self) -> list[Harm]:
        log = fold(self.entries)
        checker = Checker(
            ROLES, self._books(), {PLACE: log}, {PLACE: self.consumed(log.records)}, self.excuses
        )
        return [finding.harm for finding in checker.check()]

    def _books(self) -> list[Book]:
        books = []
        for producer in ROLES:
            path = self.directory / f"{producer}.book"
            writer = BookWriter(path)
            for number in range(4):
                writer.sent(number, PLACE)
            for number in range(4):
                self._tell(writer, producer, number)
            writer.ended()
            books.append(Book(path, producer))
            books[-1].follow()
        return books

    def _tell(self, writer: BookWriter, producer: str, number: int) -> None:
        name = f"{producer}/{number}"
        if name in self.failed:
            writer.failed(number, self.failed[name], "said the broker")
        elif name not in self.unheard:
            writer.acknowledged(number, 0, self.told[name])


ROLES: Mapping[str, Role] = {
    manner.value: Role(
        name=manner.value,
        library="confluent",
        manner=manner,
        codec="snappy",
        request_timeout_s=5,
        patience_s=5,
    )
    for manner in Manner
}
LOST_CONNECTIONS = Excuse(LONG_AGO, EVER)
LONG_PAST = Excuse(LONG_AGO, LONG_AGO)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def again(name: str) -> bytes:
    return stored(12, 1, name)


def test_unharmed_history_has_no_findings(case: Case) -> None:
    assert case.findings() == []


def test_an_acknowledged_record_that_is_nowhere_is_lost(case: Case) -> None:
    case.entries.pop()
    assert case.findings() == [Harm.LOST] * 3


def test_an_acknowledged_record_of_an_old_epoch_is_void(case: Case) -> None:
    case.entries.insert(-1, fence(2))
    assert case.findings() == [Harm.VOID] * 3


def test_an_acknowledged_record_with_a_base_offset_that_was_not_next_is_void(case: Case) -> None:
    case.entries[-1] = stored(10, 1, *(f"{name}/3" for name in ROLES))
    assert case.findings() == [Harm.VOID] * 3


def test_void_entries_that_nobody_was_told_of_do_no_harm(case: Case) -> None:
    case.entries += [fence(2), stored(12, 1, "plain/3"), fence(1), stored(12, 1, "plain/3"), fence(2, kind=3)]
    assert case.findings() == []


def test_a_record_elsewhere_than_its_producer_was_told_is_misplaced(case: Case) -> None:
    case.told["plain/1"] += 1
    assert case.findings() == [Harm.MISPLACED]


def test_an_idempotent_librdkafka_may_know_that_a_record_is_stored_and_not_where(case: Case) -> None:
    case.told["idempotent/1"] = UNKNOWN_OFFSET
    assert case.findings() == []


def test_a_record_that_is_said_to_be_stored_somewhere_and_is_not_is_lost(case: Case) -> None:
    case.entries.pop()
    case.told["idempotent/3"] = UNKNOWN_OFFSET
    assert case.findings() == [Harm.LOST] * 3


def test_any_other_producer_is_told_where_its_record_is(case: Case) -> None:
    case.told["plain/1"] = UNKNOWN_OFFSET
    assert case.findings() == [Harm.STRANGE]


@pytest.mark.parametrize("producer", ROLES)
def test_a_record_that_is_there_twice_is_doubled(case: Case, producer: str) -> None:
    case.entries.append(again(f"{producer}/3"))
    case.excuses.append(LONG_PAST)
    assert case.findings() == [Harm.DOUBLED]


def test_an_idempotent_producer_is_doubled_also_when_connections_were_lost(case: Case) -> None:
    case.entries.append(again("idempotent/3"))
    case.excuses.append(LOST_CONNECTIONS)
    assert case.findings() == [Harm.DOUBLED]


@pytest.mark.parametrize("producer", ["plain", "once"])
def test_others_double_by_themselves_when_connections_were_lost(case: Case, producer: str) -> None:
    case.entries.append(again(f"{producer}/3"))
    case.excuses.append(LOST_CONNECTIONS)
    assert case.findings() == []


def swap(case: Case, producer: str) -> None:
    case.entries[1:3] = [
        stored(0, 1, *(f"{name}/{1 if name == producer else 0}" for name in ROLES)),
        stored(3, 1, *(f"{name}/{0 if name == producer else 1}" for name in ROLES)),
    ]
    first, second = f"{producer}/0", f"{producer}/1"
    case.told[first], case.told[second] = case.told[second], case.told[first]


@pytest.mark.parametrize("producer", ROLES)
def test_records_in_another_order_than_sent_are_reordered(case: Case, producer: str) -> None:
    swap(case, producer)
    case.excuses.append(LONG_PAST)
    assert case.findings() == [Harm.REORDERED]


@pytest.mark.parametrize("producer", ["plain", "once"])
def test_without_idempotence_lost_connections_may_change_the_order(case: Case, producer: str) -> None:
    swap(case, producer)
    case.excuses.append(LOST_CONNECTIONS)
    assert case.findings() == []


def test_with_idempotence_nothing_may_change_the_order(case: Case) -> None:
    swap(case, "idempotent")
    case.excuses.append(LOST_CONNECTIONS)
    assert case.findings() == [Harm.REORDERED]


@pytest.mark.parametrize("producer", ROLES)
def test_a_record_without_any_outcome_is_unanswered(case: Case, producer: str) -> None:
    case.unheard.add(f"{producer}/2")
    assert case.findings() == [Harm.UNANSWERED]


@pytest.mark.parametrize("producer", ROLES)
def test_a_record_that_its_library_gave_up_is_unanswered(case: Case, producer: str) -> None:
    case.failed[f"{producer}/2"] = "_MSG_TIMED_OUT"
    assert case.findings() == [Harm.UNANSWERED]


@pytest.mark.parametrize("producer", ["idempotent", "plain"])
def test_a_verdict_that_ends_trying_again_is_a_finding(case: Case, producer: str) -> None:
    case.failed[f"{producer}/2"] = "OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert case.findings() == [Harm.REFUSED]


@pytest.mark.parametrize("code", ["KAFKA_STORAGE_ERROR", "NOT_LEADER_FOR_PARTITION"])
def test_what_is_stored_must_not_have_been_refused_as_certainly_not_stored(case: Case, code: str) -> None:
    case.failed["once/2"] = code
    assert case.findings() == [Harm.DENIED]


@pytest.mark.parametrize("code", ["KAFKA_STORAGE_ERROR", "REQUEST_TIMED_OUT", "_TRANSPORT"])
def test_one_attempt_that_failed_and_is_not_stored_does_no_harm(case: Case, code: str) -> None:
    case.entries[-1] = stored(9, 1, "idempotent/3", "plain/3")
    case.failed["once/3"] = code
    assert case.findings() == []


def test_a_record_that_nobody_sent_is_strange(case: Case) -> None:
    case.entries.append(again("plain/4"))
    assert case.findings() == [Harm.STRANGE]


@pytest.mark.parametrize(
    "entry",
    [fence(2, kind=9), fence(2)[:-1] + b"?", b"\xff" + bytes(20)],
    ids=["kind", "checksum", "foreign"],
)
def test_a_control_entry_that_no_reader_understands_is_strange(case: Case, entry: bytes) -> None:
    case.entries.append(entry)
    assert case.findings() == [Harm.STRANGE]


def test_a_batch_that_was_damaged_is_strange_and_its_records_are_lost(case: Case) -> None:
    case.entries[-1] = case.entries[-1][:-1] + b"?"
    assert case.findings() == [Harm.STRANGE] + [Harm.LOST] * 3


@pytest.mark.parametrize(
    "consumed",
    [
        lambda records: records[:-1],
        lambda records: [*records, records[0]],
        lambda records: [records[1], records[0], *records[2:]],
        lambda records: [records[0]._replace(value=b"idempotent/0:other"), *records[1:]],
    ],
    ids=["fewer", "more", "reordered", "other"],
)
def test_a_consumer_that_reads_something_else_disagrees(
    case: Case, consumed: Callable[[list[Found]], list[Found]]
) -> None:
    case.consumed = consumed
    assert case.findings() == [Harm.DISAGREEMENT]


def test_a_second_answer_to_one_record_is_strange(case: Case) -> None:
    writer = BookWriter(case.directory / "plain.book")
    writer.sent(0, PLACE)
    writer.acknowledged(0, 0, case.told["plain/0"])
    writer.acknowledged(0, 0, case.told["plain/0"])
    book = Book(case.directory / "plain.book", "plain")
    book.follow()
    assert book.told_twice == ["plain/0"]
