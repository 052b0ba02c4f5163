"""`bench.appender` from end to end: what is measured once is never measured again, and nothing is made up."""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress
from typer.testing import CliRunner

from bench import appender, appender_plots, appender_tables
from bench.appender_cells import (
    BATCHES,
    ENTRY_BYTES,
    MAX_BATCH_BYTES,
    PIPELINES,
    TURNS,
    Cell,
    Figures,
    Grid,
    Way,
    large_batch,
    left_out,
    plan,
)
from bench.appender_results import Results, ResultsUnusable
from bench.appender_run import Run, Spent, offered
from bench.cells import ROOT
from bench.windows import Arrivals, OpenWindow

LITE = "varlog_lite"
CELL = Cell(target=LITE, way=Way.APPENDER, pipeline=2, batch=1, entry_bytes=1024)
CONDITIONS = {"cores": 2, "seconds": 1.0}
SECONDS = 0.1


def figures(rate: float = 100.0, *, batches: int = 100, p99_ms: float = 3.0) -> Figures:
    return Figures(
        entries=round(rate), batches=batches, seconds=1.0, cpu_s=0.1, p50_ms=2.0, p99_ms=p99_ms, max_ms=9.0
    )


def filled(tmp_path: Path) -> Results:
    results = Results(tmp_path / "figures.jsonl")
    results.begin(CONDITIONS, "a quiet machine")
    return results


# The plan


def test_plan_measures_no_cell_twice_and_repeats_those_it_concludes_from() -> None:
    cells = plan(LITE, Grid())
    assert len(set(cells)) == len(cells)
    assert all(cell.batch * cell.entry_bytes <= MAX_BATCH_BYTES for cell in cells)
    for size in ENTRY_BYTES:
        for cell in appender_tables.ways(LITE, size).values():
            assert [replace(cell, turn=turn) in cells for turn in range(TURNS)] == [True] * TURNS or (
                cell.pipeline == 1 and cell.way is Way.APPENDER
            )


def test_sweep_goes_from_pipeline_1_to_8_and_from_single_small_entries_to_large_batches() -> None:
    assert (min(PIPELINES), max(PIPELINES)) == (1, 8)
    assert (min(BATCHES), max(BATCHES)) == (1, 1000)
    assert (min(ENTRY_BYTES), max(ENTRY_BYTES)) == (100, 1 << 20)


def test_plan_sweeps_every_pipeline_batch_and_entry_but_the_too_large() -> None:
    swept = [cell for cell in plan(LITE, Grid()) if cell.way is Way.APPENDER and not cell.open]
    combinations = {(cell.pipeline, cell.batch, cell.entry_bytes) for cell in swept}
    assert len(combinations) == 6 * (4 * 5 - len(left_out(Grid())))
    assert left_out(Grid()) == ["1000 × 100 KiB", "100 × 1 MiB", "1000 × 1 MiB"]  # noqa: RUF001


# The file of results


def test_results_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    results = filled(tmp_path)
    opened = replace(CELL, load_of=Way.ONE, load_share=0.5)
    results.add(CELL, figures())
    results.add(opened, replace(figures(), rate=50.0, drain_s=0.001))
    again = Results.read(results.file)
    assert again.cells == {CELL: figures(), opened: replace(figures(), rate=50.0, drain_s=0.001)}
    assert again.conditions == CONDITIONS
    assert again.notes == ["a quiet machine"]


@pytest.mark.parametrize(
    "line",
    [
        '{"cell":{"target":"varlog_lite","way":"appender","pipeline":2,"ba',  # torn
        "[]",
        '{"cell":{"target":"x","way":"pigeon","pipeline":1,"batch":1,"entry_bytes":1},"figures":{}}',
        '{"cell":{"target":"x","way":"appender","pipeline":1,"batch":1},"figures":{}}',
        '{"cell":{"target":"x","way":"appender","pipeline":"1","batch":1,"entry_bytes":1},"figures":{}}',
        "\x00\x00\x00",
        "",
    ],
)
def test_damaged_line_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    results = filled(tmp_path)
    results.add(CELL, figures())
    with results.file.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ResultsUnusable, match=r"figures\.jsonl, line 4 is damaged .* remove that line, or"):
        Results.read(results.file)


@pytest.mark.parametrize(("name", "value"), [("p99_ms", "NaN"), ("entries", "0"), ("cpu_s", '"much"')])
def test_figure_that_is_none_is_refused(tmp_path: Path, name: str, value: str) -> None:
    results = filled(tmp_path)
    results.add(CELL, figures())
    text = results.file.read_text()
    results.file.write_text(re.sub(rf'"{name}":[^,}}]*', f'"{name}":{value}', text))
    with pytest.raises(ResultsUnusable, match="line 3 is damaged"):
        Results.read(results.file)


def test_figures_of_another_machine_are_not_mixed_in(tmp_path: Path) -> None:
    file = filled(tmp_path).file
    with pytest.raises(ResultsUnusable, match=r"cores = 2, this run has 4: name another --out"):
        Results.read(file).begin({**CONDITIONS, "cores": 4}, "")


def test_program_says_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    file.write_text("gibberish\n")
    ended = CliRunner().invoke(_app(), ["--out", str(file), "--tables"])
    assert ended.exit_code == 2
    assert "line 1 is damaged" in " ".join(ended.output.split())


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command()(appender.main)
    return app


# Measuring


async def measured(results: Results, directory: Path, *, budget_s: float, grid: Grid) -> Spent:
    with Progress(disable=True) as progress:
        until = time.monotonic() + budget_s
        run = Run(results, directory, seconds=SECONDS, until=until, progress=progress)
        await run.through(plan(LITE, grid))
    return run.spent


async def test_second_run_measures_nothing_that_is_there(tmp_path: Path) -> None:
    grid = Grid(pipelines=(1, 2), batches=(1,), entry_bytes=(100,))
    results = filled(tmp_path)
    spent = await measured(results, tmp_path, budget_s=60, grid=grid)
    assert spent.failures == []
    assert spent.measured == len(plan(LITE, grid)) == len(results.cells)
    assert all(each.entries >= 5 and each.p50_ms <= each.p99_ms for each in results.cells.values())
    kept = results.file.read_bytes()
    again = await measured(Results.read(results.file), tmp_path, budget_s=60, grid=grid)
    assert (again.measured, again.there) == (0, spent.measured)
    assert results.file.read_bytes() == kept


async def test_run_goes_on_where_the_one_before_ended(tmp_path: Path) -> None:
    grid = Grid(pipelines=(1,), batches=(1,), entry_bytes=(100,))
    cells = plan(LITE, grid)
    results = filled(tmp_path)
    for cell in cells[1:]:
        results.add(cell, figures())
    assert (await measured(results, tmp_path, budget_s=0, grid=grid)).left == 1
    spent = await measured(results, tmp_path, budget_s=60, grid=grid)
    assert (spent.measured, spent.there, spent.left) == (1, len(cells) - 1, 0)
    assert results.cells[cells[0]] != figures()


async def test_progress_is_shown_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = plan(LITE, Grid(pipelines=(1,), batches=(1,), entry_bytes=(100,)))
    shown: list[tuple[str, float, float | None]] = []

    async def look(*_: object) -> None:
        [task] = progress.tasks
        shown.append((task.description, task.completed, task.total))

    monkeypatch.setattr(Run, "_cell", look)
    with Progress(disable=True) as progress:
        run = Run(filled(tmp_path), tmp_path, seconds=0.05, until=time.monotonic() + 60, progress=progress)
        await run.through(cells)
    assert shown == [(f"{LITE}: {cell}", number, len(cells)) for number, cell in enumerate(cells)]


def test_more_than_20_minutes_are_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appender, "measure", None)  # where they are, nothing is measured either
    ended = CliRunner().invoke(_app(), ["--out", str(tmp_path / "figures.jsonl"), "--budget", "20.1"])
    assert ended.exit_code == 2
    assert "--budget" in ended.output
    assert "less than or equal to 20" in " ".join(ended.output.split())


async def test_open_loop_bears_the_load_that_was_measured(tmp_path: Path) -> None:
    """The rate is a share of what was reached, and every entry that arrives is appended."""
    results = filled(tmp_path)
    for cell in plan(LITE, Grid(pipelines=(8,), batches=(1, 1000), entry_bytes=(1024,))):
        if not (cell.open and cell.load_of is Way.ONE and cell.load_share == 0.5):
            results.add(cell, figures(rate=600))
    grid = Grid(pipelines=(8,), batches=(1, 1000), entry_bytes=(1024,))
    spent = await measured(results, tmp_path, budget_s=60, grid=grid)
    assert spent.failures == []
    opened = [each for cell, each in results.cells.items() if cell.open and cell.load_share == 0.5]
    fresh = [each for each in opened if each.rate is not None]
    assert {each.rate for each in fresh} == {300.0}
    assert {each.entries for each in fresh} == {int(300 * 1.25 * SECONDS) - int(300 * 0.25 * SECONDS)}


def test_load_above_what_its_way_can_take_is_left_out(tmp_path: Path) -> None:
    results = filled(tmp_path)
    one = replace(CELL, way=Way.ONE, pipeline=1)
    large = replace(CELL, batch=large_batch(CELL.entry_bytes))
    results.add(one, figures(100))
    results.add(large, figures(1000))
    load = {"load_of": Way.APPENDER, "load_share": 0.5}
    assert offered(replace(large, **load), results) == 500  # type: ignore[arg-type]
    assert offered(replace(one, **load), results) is None  # type: ignore[arg-type]
    assert offered(replace(one, load_of=Way.ONE, load_share=0.5), results) == 50
    assert offered(replace(CELL, way=Way.CALLERS, load_of=Way.ONE, load_share=0.5), results) is None


# Arrivals


@given(st.floats(0.5, 300_000), st.floats(0, 1.5))
def test_entries_have_arrived_exactly_from_when_they_are_due(rate: float, elapsed_s: float) -> None:
    arrivals = Arrivals(rate, warm_up_s=0.25, seconds=1)
    arrived = arrivals.arrived(elapsed_s)
    assert 0 <= arrived <= arrivals.total
    assert arrived <= rate * elapsed_s + 1
    if arrived > 0:
        assert arrivals.due_s(arrived - 1) <= elapsed_s + 1e-6
    if arrived < arrivals.total:
        assert arrivals.due_s(arrived) > elapsed_s - 1e-6


def test_wait_before_an_append_counts_in_an_open_loop() -> None:
    arrivals = Arrivals(1000, warm_up_s=0.0, seconds=0.01)
    window = OpenWindow(arrivals)
    deadline = time.monotonic() + 5
    while len(taken := window.take(100)) == 0 and time.monotonic() < deadline:
        pass
    began = time.monotonic()
    while window.arrivals.arrived(time.monotonic() - window._began) < arrivals.total:
        pass
    held_up_ms = (time.monotonic() - began) * 1000
    window.answered(taken)
    window.answered(window.take(100))
    assert window.complete
    found = window.figures()
    assert found.entries == 10
    assert found.max_ms >= held_up_ms
    assert found.p50_ms > 1


def test_entries_never_answered_count_as_answered_last() -> None:
    window = OpenWindow(Arrivals(1000, warm_up_s=0.0, seconds=0.004))
    found = window.figures()
    assert found.entries == 4
    assert not math.isnan(found.p99_ms)


# Tables and plots


def test_tables_have_no_figure_for_what_was_not_measured(tmp_path: Path) -> None:
    results = filled(tmp_path)
    results.add(CELL, figures(1234.5, batches=99, p99_ms=4.5))
    said = appender_tables.markdown(results)
    assert "| 1 KiB | 1 | 1.21, 4.50* |" in said
    gain = next(line for line in said.splitlines() if line.startswith("| 1 KiB |"))
    assert gain.count("–") == 7  # noqa: RUF001
    assert "1,230" in gain
    assert "given loads" not in said


def test_gain_is_by_one_at_a_time_and_over_all_turns(tmp_path: Path) -> None:
    results = filled(tmp_path)
    results.add(replace(CELL, way=Way.ONE, pipeline=1), figures(100))
    for turn, rate in enumerate((150, 400, 200)):
        results.add(replace(CELL, turn=turn), figures(rate))
    assert "| 200, ×2.00 (150–400) |" in appender_tables.markdown(results)  # noqa: RUF001


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,230"), (0.012345, "0.0123"), (99.96, "100"), (5.0, "5.00"), (0.0, "0.0")]
)
def test_three_digits_count(value: float, text: str) -> None:
    assert appender_tables.three(value) == text


def test_plots_are_drawn_of_what_is_there(tmp_path: Path) -> None:
    results = filled(tmp_path)
    for cell in plan(LITE, Grid(pipelines=(1, 8), batches=(1,), entry_bytes=(1024,))):
        results.add(cell, replace(figures(), rate=50.0 if cell.open else None))
    files = appender_plots.draw(results, tmp_path / "plots")
    assert [file.name for file in files] == ["gain.svg", "loads.svg", "sweep-varlog_lite.svg"]
    assert all("</svg>" in file.read_text() for file in files)


def test_plots_are_drawn_of_a_run_that_was_interrupted(tmp_path: Path) -> None:
    results = filled(tmp_path)
    results.add(CELL, figures())
    results.add(replace(CELL, target="varlog-rf1", entry_bytes=100), figures())
    load = replace(CELL, load_of=Way.ONE, load_share=0.5, batch=1000)
    results.add(load, replace(figures(), rate=50.0))
    files = appender_plots.draw(results, tmp_path / "plots")
    assert len(files) == 4
    assert all("</svg>" in file.read_text() for file in files)


def test_page_has_the_tables_that_its_figures_make() -> None:
    page = (ROOT / "docs" / "appender.md").read_text()
    results = Results.read(ROOT / "docs" / "appender" / "figures.jsonl")
    for target in results.targets():
        for block in appender_tables.blocks(results, target):
            table = block.partition("\n\n")[2]
            assert table in page, f"make it anew: {block[:80]}"
    for plot in ("gain", "loads", *(f"sweep-{target}" for target in results.targets())):
        assert f"appender/{plot}.svg" in page
        assert (ROOT / "docs" / "appender" / f"{plot}.svg").exists()
