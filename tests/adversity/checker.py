"""What producers were told, held against what is stored. It knows nothing else, and nothing of kov."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.adversity.book import UNKNOWN_OFFSET, Book, Place, Sent
from tests.adversity.cast import Manner, Role
from tests.adversity.fold import Found, Reading

# What librdkafka calls the codes 6 and 56: the batch is certainly not stored.
_CERTAINLY_NOT_STORED = {"NOT_LEADER_FOR_PARTITION", "KAFKA_STORAGE_ERROR"}
# The library gave up before it was answered.
_GAVE_UP = {"_MSG_TIMED_OUT", "_TIMED_OUT_QUEUE", "KafkaTimeoutError", "BatchExpired", "RequestTimedOutError"}


class Harm(Enum):
    LOST = "lost: acknowledged and not stored"
    VOID = "acknowledged, but what is stored means nothing"
    MISPLACED = "stored elsewhere than the producer was told"
    DOUBLED = "stored more than once"
    REORDERED = "stored in another order than sent"
    UNANSWERED = "nobody was told what became of it"
    REFUSED = "refused for good, where trying again helps"
    DENIED = "stored, although its producer was told that it certainly isn't"
    STRANGE = "what nobody sent, or no reader understands"
    BROKEN = "a process did not start, or storage did not come back"
    DISAGREEMENT = "a Kafka consumer reads other records than the log streams hold"


@dataclass(frozen=True, slots=True)
class Finding:
    harm: Harm
    text: str

    def __str__(self) -> str:
        return f"{self.harm.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class Excuse:
    """A time in which producers lost their connections to kov, or kov died.

    A producer without idempotence that had a record on its way then resends it by itself, as with any broker:
    it may be doubled, and out of order. That is the only excuse there is.
    """

    begin: float
    end: float

    def covers(self, sent: Sent) -> bool:
        return sent.since <= self.end and (sent.at is None or sent.at >= self.begin)


@dataclass(slots=True)
class Checker:
    """`log`: the log streams, folded. `consumed`: the same places as a Kafka consumer reads them."""

    roles: Mapping[str, Role]
    books: Sequence[Book]
    log: Mapping[Place, Reading]
    consumed: Mapping[Place, Sequence[Found]]
    excuses: Sequence[Excuse]
    findings: list[Finding] = field(default_factory=list)
    _sent: dict[str, Sent] = field(default_factory=dict)
    _stored: dict[str, list[tuple[Place, int]]] = field(default_factory=lambda: defaultdict(list))

    def check(self) -> list[Finding]:
        self._sent = {sent.name: sent for book in self.books for sent in book.sent}
        for place, reading in self.log.items():
            for record in reading.records:
                self._stored[record.name].append((place, record.offset))
        self._check_log()
        self._check_consumed()
        self._check_told()
        self._check_doubles()
        for place, reading in self.log.items():
            self._check_order(place, reading)
        return self.findings

    def _find(self, harm: Harm, text: str) -> None:
        self.findings.append(Finding(harm, text))

    def _check_log(self) -> None:
        for place, reading in self.log.items():
            for text in reading.strange:
                self._find(Harm.STRANGE, f"{_at(place)}: {text}")
            for expected, record in enumerate(reading.records):
                if record.offset != expected:
                    self._find(Harm.STRANGE, f"{_at(place)}: offset {record.offset} stands at {expected}")
        for name, places in self._stored.items():
            sent = self._sent.get(name)
            if sent is None or any(place != sent.place for place, _ in places):
                self._find(Harm.STRANGE, f"{name} lies in {places}, where nobody sent it")

    def _check_consumed(self) -> None:
        for place, reading in self.log.items():
            consumed = self.consumed[place]
            if list(consumed) != reading.records:
                first = next(
                    (a, b) for a, b in _side_by_side(reading.records, consumed) if a != b
                )  # they differ, so there is one
                self._find(
                    Harm.DISAGREEMENT,
                    f"{_at(place)}: the log holds {len(reading.records)} records, the consumer read "
                    f"{len(consumed)}; the first that differ: {first[0]} and {first[1]}",
                )

    def _check_told(self) -> None:
        void = {name for reading in self.log.values() for name in reading.void}
        for book in self.books:
            for name in book.told_twice:
                self._find(Harm.STRANGE, f"{name} was answered more than once")
            for sent in book.sent:
                if sent.offset is not None:
                    self._check_acknowledged(sent, void)
                else:
                    self._check_failed(sent)

    def _check_acknowledged(self, sent: Sent, void: set[str]) -> None:
        places = self._stored.get(sent.name, [])
        if not places:
            harm = Harm.VOID if sent.name in void else Harm.LOST
            self._find(harm, f"{sent.name}, acknowledged at {_at(sent.place)} offset {sent.offset}")
        elif sent.offset == UNKNOWN_OFFSET:
            self._check_concluded(sent, places)
        elif (sent.place, sent.offset) not in places:
            self._find(Harm.MISPLACED, f"{sent.name} was acknowledged at {sent.offset} and lies at {places}")

    def _check_concluded(self, sent: Sent, places: list[tuple[Place, int]]) -> None:
        role = self.roles[sent.producer]
        if role.library != "confluent" or role.manner is not Manner.IDEMPOTENT:
            self._find(Harm.STRANGE, f"{sent.name} was acknowledged without an offset")
        if all(place != sent.place for place, _ in places):
            self._find(
                Harm.MISPLACED, f"{sent.name} was acknowledged at {_at(sent.place)} and lies at {places}"
            )

    def _check_failed(self, sent: Sent) -> None:
        role = self.roles[sent.producer]
        error = (sent.error or "").partition(" ")[0]
        if sent.at is None:
            self._find(Harm.UNANSWERED, f"{sent.name} for {_at(sent.place)}: no outcome at all")
        elif role.manner is not Manner.ONCE:
            harm = Harm.UNANSWERED if error in _GAVE_UP else Harm.REFUSED
            self._find(harm, f"{sent.name} for {_at(sent.place)}: {sent.error}")
        elif error in _GAVE_UP and not self._excused(sent):
            self._find(Harm.UNANSWERED, f"{sent.name} for {_at(sent.place)}: {sent.error}")
        elif error in _CERTAINLY_NOT_STORED and sent.name in self._stored and not self._excused(sent):
            self._find(Harm.DENIED, f"{sent.name}, told {sent.error}, lies at {self._stored[sent.name]}")

    def _check_doubles(self) -> None:
        for name, places in self._stored.items():
            sent = self._sent.get(name)
            if len(places) > 1 and sent is not None and not self._may_be_resent(sent):
                self._find(Harm.DOUBLED, f"{name} lies at {places}")

    def _check_order(self, place: Place, reading: Reading) -> None:
        """By the first time that each record appears."""
        last: dict[str, Sent] = {}
        for name in dict.fromkeys(record.name for record in reading.records):
            sent = self._sent.get(name)
            if sent is None or self._may_be_resent(sent):
                continue
            before = last.setdefault(sent.producer, sent)
            if before.number > sent.number:
                self._find(Harm.REORDERED, f"{before.name} lies before {sent.name} in {_at(place)}")
            else:
                last[sent.producer] = sent

    def _may_be_resent(self, sent: Sent) -> bool:
        """Also by librdkafka with `retries` 0: it doesn't count those that it believes were never sent."""
        return self.roles[sent.producer].manner is not Manner.IDEMPOTENT and self._excused(sent)

    def _excused(self, sent: Sent) -> bool:
        return any(excuse.covers(sent) for excuse in self.excuses)


def _side_by_side(
    log: Sequence[Found], consumed: Sequence[Found]
) -> Iterator[tuple[Found | None, Found | None]]:
    for index in range(max(len(log), len(consumed))):
        yield (
            log[index] if index < len(log) else None,
            consumed[index] if index < len(consumed) else None,
        )


def _at(place: Place) -> str:
    return f"{place.topic}/{place.partition}"


def summary(findings: Iterable[Finding]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for finding in findings:
        counts[finding.harm.name.lower()] += 1
    return ", ".join(f"{count} {harm}" for harm, count in sorted(counts.items())) or "nothing"
