from __future__ import annotations

from pathlib import Path

from tests.adversity.book import Book, BookWriter, Place
from tests.adversity.checker import Finding, Harm
from tests.adversity.faults import KINDS
from tests.adversity.report import report
from tests.adversity.rounds import Round, Struck
from tests.adversity.state import SEVERAL, UNDISTURBED, State, seen_in
from tests.adversity.storage import LITE

FIRST, SECOND, THIRD = KINDS[LITE][:3]


def played(directory: Path, *findings: Finding) -> Round:
    """One record is sent now and answered now; the faults struck long ago."""
    directory.mkdir(parents=True)
    writer = BookWriter(directory / "p.book")
    writer.sent(0, Place("t", 0))
    writer.acknowledged(0, 0, 0)
    book = Book(directory / "p.book", "p")
    book.follow()
    struck = [Struck(kind=kind, begin=1.0, mended=2.0, settled=3.0) for kind in (FIRST, SECOND)]
    return Round(LITE, directory, "abc/1", 2, struck=struck, findings=list(findings), books=[book])


def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    state = State.load(tmp_path)
    assert (state.faults, state.next_number, state.seed) == (0, 1, None)
    state.finish(1, played(state.round_directory(1)))
    again = State.load(tmp_path)
    assert (again.faults, again.next_number, again.seed) == (2, 2, "abc")
    assert again.results == state.results


def test_only_the_history_of_a_finding_is_kept(tmp_path: Path) -> None:
    state = State.load(tmp_path)
    state.finish(1, played(state.round_directory(1)))
    state.finish(2, played(state.round_directory(2), Finding(Harm.LOST, "p/0")))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["round-0002"]
    said = (tmp_path / "round-0002" / "findings.txt").read_text()
    assert said.startswith("1 lost\nLOST: p/0\n")
    assert FIRST.name in said


def test_a_wait_counts_for_the_one_fault_that_it_met(tmp_path: Path) -> None:
    done = played(tmp_path / "round")
    (sent,) = done.books[0].sent
    sent.since, sent.at = 1.5, 2.5
    assert seen_in(done)[SEVERAL].worst_s == 1.0
    done.struck = [
        Struck(kind=FIRST, begin=1.0, mended=1.1, settled=2.0),
        Struck(kind=SECOND, begin=2.6, mended=3.0, settled=3.0),
    ]
    assert seen_in(done)[FIRST.name].worst_s == 1.0
    assert seen_in(done)[SECOND.name].records == 0
    done.struck = []
    assert seen_in(done)[UNDISTURBED].records == 1


def test_the_report_adds_up_all_rounds(tmp_path: Path) -> None:
    state = State.load(tmp_path)
    state.finish(1, played(state.round_directory(1)))
    state.finish(2, played(state.round_directory(2)))
    table = list(report(State.load(tmp_path)))
    assert table[0].startswith(f"On `{LITE}`: 4 faults in 2 rounds")
    assert f"| {FIRST.name} | 2 | 0 | 0.0 s |" in table
