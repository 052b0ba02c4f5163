"""What was done so far, in a directory: one line per finished round, and the history of those that found."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.adversity.checker import summary
from tests.adversity.rounds import Round

UNDISTURBED = "none"
SEVERAL = "several at once, or one soon after the other"


@dataclass(slots=True)
class Seen:
    """Of one kind of fault: how often, how many records lived through it, and the longest wait among them."""

    faults: int = 0
    records: int = 0
    worst_s: float = 0.0

    def add(self, other: Seen) -> None:
        self.faults += other.faults
        self.records += other.records
        self.worst_s = max(self.worst_s, other.worst_s)


@dataclass(slots=True, kw_only=True)
class Result:
    number: int
    seed: str
    storage: str
    faults: int
    records: int
    acknowledged: int
    seconds: float
    findings: list[str]
    seen: dict[str, Seen] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    directory: Path
    results: list[Result] = field(default_factory=list)

    @classmethod
    def load(cls, directory: Path) -> State:
        file = directory / "rounds.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return cls(directory, [_result(json.loads(line)) for line in lines])

    @property
    def seed(self) -> str | None:
        """What the last round's seed began with."""
        return self.results[-1].seed.rpartition("/")[0] if self.results else None

    @property
    def faults(self) -> int:
        return sum(result.faults for result in self.results)

    @property
    def next_number(self) -> int:
        return max((result.number for result in self.results), default=0) + 1

    def round_directory(self, number: int) -> Path:
        """Empty: what an interrupted run left there is of no use."""
        directory = self.directory / f"round-{number:04}"
        shutil.rmtree(directory, ignore_errors=True)
        return directory

    def finish(self, number: int, played: Round) -> Result:
        """Writes the round down. Its history is kept only if there is a finding in it."""
        result = Result(
            number=number,
            seed=played.seed,
            storage=played.storage,
            faults=len(played.struck),
            records=sum(len(book.sent) for book in played.books),
            acknowledged=sum(sent.offset is not None for book in played.books for sent in book.sent),
            seconds=round(played.seconds, 1),
            findings=[str(finding) for finding in played.findings],
            seen=seen_in(played),
        )
        if played.findings:
            said = [summary(played.findings), *result.findings, "", *_played(played)]
            (played.directory / "findings.txt").write_text("\n".join(said) + "\n")
        else:
            shutil.rmtree(played.directory)
        with (self.directory / "rounds.jsonl").open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        self.results.append(result)
        return result


def seen_in(played: Round) -> dict[str, Seen]:
    """A record's wait counts for the one fault during which it was on its way; if more, for SEVERAL."""
    seen: dict[str, Seen] = defaultdict(Seen)
    for struck in played.struck:
        seen[struck.kind.name].faults += 1
    for book in played.books:
        for sent in book.sent:
            if sent.at is None:
                continue
            at = sent.at
            met = [each for each in played.struck if each.begin <= at and sent.since <= each.settled]
            name = met[0].kind.name if len(met) == 1 else SEVERAL if met else UNDISTURBED
            seen[name].add(Seen(records=1, worst_s=round(at - sent.since, 3)))
    return dict(seen)


def total(results: list[Result]) -> dict[str, Seen]:
    seen: dict[str, Seen] = defaultdict(Seen)
    for result in results:
        for name, each in result.seen.items():
            seen[name].add(each)
    return dict(seen)


def _played(played: Round) -> Iterator[str]:
    yield from played.diagnosis
    yield f"seed {played.seed}; times are those of the books:"
    for each in played.struck:
        yield f"{each.begin:.3f} to {each.mended:.3f}, settled {each.settled:.3f}: {each.kind.name}"


def _result(stored: dict[str, object]) -> Result:
    result = Result(**stored)  # type: ignore[arg-type]
    result.seen = {name: Seen(**each) for name, each in result.seen.items()}  # type: ignore[arg-type]
    return result
