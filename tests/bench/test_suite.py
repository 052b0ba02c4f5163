"""`make bench`: what is planned, kept, and said of it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bench import suite, suite_plots, suite_tables
from bench.load_kafka import values
from bench.load_perf_test import PerfTestFailed, outcome
from bench.results_file import ResultsUnusable
from bench.suite_cells import ROUNDS, Cell, Fact, Figures, System, Way, axes, plan
from bench.suite_results import Results
from bench.values import KafkaLoad
from tests.bench.test_programs import program

CELL = Cell(system=System.KOV_LITE)
LOAD = KafkaLoad(seconds=1, rate=None, seed=1, bootstrap="", topic="t", record_bytes=1000)


def figures(rate: float = 1000.0, *, requests: int = 10, p50_ms: float = 1.0) -> Figures:
    return Figures(
        records=round(rate),
        requests=requests,
        seconds=1.0,
        p50_ms=p50_ms,
        p99_ms=2.0,
        p999_ms=3.0,
        server_cpu_s=0.1,
        store_cpu_s=0.2,
        load_cpu_s=0.3,
        server_mib=100.0,
        store_mib=50.0,
    )


def filled(tmp_path: Path) -> Results:
    results = Results(tmp_path / "figures.jsonl")
    results.begin({"cores": 2}, "a quiet machine")
    return results


# The plan


@pytest.mark.parametrize("quick", [True, False])
def test_plan_measures_each_cell_once_a_round_and_all_systems_in_each(quick: bool) -> None:
    cells = plan(list(System), rounds=ROUNDS, quick=quick)
    assert len(set(cells)) == len(cells)
    for cell in cells:
        assert all(cell.at_turn(turn) in cells for turn in range(ROUNDS))
    assert [cell.turn for cell in cells] == sorted(cell.turn for cell in cells)


def test_every_axis_of_every_system_varies_one_thing() -> None:
    for system in System:
        base = Cell(system=system)
        for name, cells in axes(system).items():
            for cell in cells:
                changed = [
                    field
                    for field in ("way", "record_bytes", "partitions", "codec", "acks", "producers", "rate")
                    if getattr(cell, field) != getattr(base, field)
                ]
                assert len(changed) <= (2 if name in {"Java producer", "fetch"} else 1), cell


def test_kafka_is_measured_in_every_cell_in_which_kov_is() -> None:
    def what(system: System) -> set[str]:
        return {cell.what for cell in plan([system], rounds=1, quick=False) if cell.way is not Way.APPENDER}

    assert what(System.KOV_LITE) == what(System.KAFKA) == what(System.KAFKA_FSYNC)


# The file


def test_results_and_facts_are_read_back_as_they_were_kept(tmp_path: Path) -> None:
    results = filled(tmp_path)
    cell = replace(CELL, way=Way.TAIL, rate=500.0, turn=2)
    fact = Fact(system=System.KAFKA, name="start_s", turn=1)
    results.add(cell, figures())
    results.add_fact(fact, 2.5)
    again = Results.read(results.file)
    assert again.cells == {cell: figures()}
    assert again.facts == {fact: 2.5}
    assert again.rounds() == 3
    assert again.systems() == [System.KOV_LITE]


@pytest.mark.parametrize(
    "line",
    [
        '{"fact":{"system":"Kafka","name":"start_s","turn":0},"value":"long"}',
        '{"cell":{"system":"pigeons","way":"confluent-kafka"},"figures":{}}',
        '{"cell":{"system":"Kafka","way":"confluent-kafka","record_bytes":0},"figures":{}}',
        '{"cell":{"system":"Kafka","way":"confluent-kafka"},"figures":{"records":1}}',
    ],
)
def test_damaged_line_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    results = filled(tmp_path)
    with results.file.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ResultsUnusable, match="line 3 is damaged"):
        Results.read(results.file)


def test_figure_that_is_none_is_refused(tmp_path: Path) -> None:
    results = filled(tmp_path)
    results.add(CELL, figures())
    text = results.file.read_text()
    results.file.write_text(re.sub(r'"p50_ms":[^,}]*', '"p50_ms":NaN', text))
    with pytest.raises(ResultsUnusable, match="line 3 is damaged"):
        Results.read(results.file)


# What is said


def test_ratios_are_of_the_same_round_with_their_spread(tmp_path: Path) -> None:
    results = filled(tmp_path)
    for turn, (kov, kafka) in enumerate(((1000, 500), (3000, 1000), (1000, 1000))):
        results.add(CELL.at_turn(turn), figures(kov))
        results.add(replace(CELL, system=System.KAFKA_FSYNC, turn=turn), figures(kafka))
    said = suite_tables.markdown(results)
    assert "| 2.00 (1.00–3.00) |" in said  # noqa: RUF001
    assert "| kov ÷ Kafka with fsync, 1 KiB | 2.00 | ≥ 1 | holds |" in said


def test_no_figure_stands_for_what_was_not_measured(tmp_path: Path) -> None:
    results = filled(tmp_path)
    results.add(replace(CELL, codec="zstd"), figures(requests=0))
    said = suite_tables.markdown(results)
    row = next(line for line in said.splitlines() if line.startswith("| 1 KiB, confluent-kafka, zstd"))
    assert row.count(suite_tables.NOTHING) == 4  # the appender, and three ratios
    assert "nan" not in said
    assert "**Goals**" not in said
    assert suite_tables.markdown(Results(tmp_path / "none")) == "nothing was measured yet"


def test_missed_goal_is_said_to_be_missed(tmp_path: Path) -> None:
    results = filled(tmp_path)
    results.add(CELL, figures(900))
    results.add(replace(CELL, system=System.KAFKA_FSYNC), figures(1000))
    results.add_fact(Fact(system=System.KOV_LITE, name="mapped_start_s"), 2.5)
    said = suite_tables.markdown(results)
    assert "| kov ÷ Kafka with fsync, 1 KiB | 0.90 | ≥ 1 | **missed** |" in said
    assert "| ready with 10,000 mapped partitions, s | 2.50 | ≤ 2 | **missed** |" in said


def test_plots_are_drawn_of_one_cell_as_of_many(tmp_path: Path) -> None:
    results = filled(tmp_path)
    results.add(CELL, figures())
    for cell in plan(list(System), rounds=2, quick=False)[::3]:
        results.add(cell, figures())
        files = suite_plots.draw(results, tmp_path / "plots") if len(results.cells) in {2, 40} else []
        assert all("</svg>" in file.read_text() for file in files)
    assert {file.stem for file in (tmp_path / "plots").iterdir()} == {"throughput", "axes", "latency", "cpu"}


def test_program_says_what_is_wrong_with_its_options(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(suite.main)
    out = ("--out", str(tmp_path / "figures.jsonl"))
    ended = CliRunner().invoke(app, [*out, "--system", "pigeons"])
    assert ended.exit_code == 2
    assert "pigeons" in ended.output
    (tmp_path / "figures.jsonl").write_text("gibberish\n")
    ended = CliRunner().invoke(app, [*out, "--tables"])
    assert ended.exit_code == 2
    assert "line 1 is damaged" in " ".join(ended.output.split())


# The loads


def test_perf_test_is_read_from_its_last_report() -> None:
    said = (
        "1000 records sent, 500.0 records/sec (0.05 MB/sec), 9.0 ms avg latency, 30.0 ms max latency.\n"
        "4000 records sent, 2000.5 records/sec (0.19 MB/sec), 3.25 ms avg latency, 41.00 ms max latency, "
        "1 ms 50th, 2 ms 95th, 7 ms 99th, 40 ms 99.9th.\n"
    )
    found = outcome(said, 1.5)
    assert (found.records, found.cpu_s) == (4000, 1.5)
    assert math.isclose(found.seconds, 4000 / 2000.5)
    assert [found.latency_ms(share) for share in (0.5, 0.99, 0.999)] == [1, 7, 40]
    with pytest.raises(PerfTestFailed, match="no such topic"):
        outcome("starting\nno such topic\n", 0.0)


def test_values_have_their_size_and_only_text_where_there_is_a_codec() -> None:
    assert {len(each) for each in values(LOAD)} == {1000}
    text = values(replace(LOAD, codec="zstd"))
    assert {len(each) for each in text} == {1000}
    assert all(each.isascii() for each in text)


# All of it


@pytest.mark.slow
async def test_suite_measures_keeps_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "figures.jsonl"
    arguments = (
        *("--quick", "--system", "kov on varlog_lite", "--out", str(file), "--directory", str(tmp_path)),
        *("--budget", "1.5"),
    )
    status, said = await program("bench.suite", *arguments)
    assert status == 0, said
    kept = Results.read(file)
    assert set(plan([System.KOV_LITE], rounds=1, quick=True)) == set(kept.cells)
    assert "kov ÷ appender" in said
    status, _ = await program("bench.suite", *arguments)
    assert status == 0
    assert Results.read(file).cells == kept.cells
