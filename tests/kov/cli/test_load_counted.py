"""What `kov bench` and `kov top` count: latencies in buckets, seconds, and what lies between two looks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kov.tools.bench import picture
from kov.tools.bench import report as bench_report
from kov.tools.bench.latencies import Latencies
from kov.tools.bench.tally import Tally
from kov.tools.top import report
from kov.tools.top.kafka import Look
from kov.tools.top.metrics import Queue, node_view, parse, quantile, queues

METRICS = """\
# TYPE kov_kafka_requests_total counter
kov_kafka_requests_total{{api="Produce",version="10"}} {requests}
kov_kafka_requests_total{{api="Metadata",version="13"}} 4
# TYPE kov_kafka_request_duration_seconds histogram
kov_kafka_request_duration_seconds_bucket{{api="Produce",le="0.01"}} {quick}
kov_kafka_request_duration_seconds_bucket{{api="Produce",le="0.1"}} {requests}
kov_kafka_request_duration_seconds_bucket{{api="Produce",le="+Inf"}} {requests}
kov_kafka_request_duration_seconds_bucket{{api="Fetch",le="+Inf"}} 999
# TYPE kov_connections gauge
kov_connections 7
# TYPE kov_partition_state gauge
kov_partition_state{{partition="0",state="active",topic="a"}} 1
kov_partition_state{{partition="1",state="failed",topic="a"}} 1
# TYPE kov_partition_queued_batches gauge
kov_partition_queued_batches{{partition="0",topic="a"}} 3
"""


def test_percentiles_are_right_within_two_percent() -> None:
    drawn = random.Random(7)
    times = sorted(drawn.lognormvariate(-6, 1.5) for _ in range(20_000))
    latencies = Latencies()
    for each in times:
        latencies.add(each)
    for percent in (1, 50, 90, 99, 99.9):
        assert latencies.percentile(percent) == pytest.approx(
            times[int(20_000 * percent / 100) - 1], rel=0.02
        )
    assert latencies.percentile(100) <= latencies.longest == times[-1]


def test_no_latencies_and_impossible_ones_are_no_fault() -> None:
    latencies = Latencies()
    assert latencies.percentile(99) == 0
    latencies.add(-1.0)
    latencies.add(1e9)
    assert (latencies.count, latencies.longest) == (2, 1e9)
    assert latencies.percentile(99.9) > 1000


def test_seconds_add_up_to_the_whole() -> None:
    tally = Tally()
    for latency in (0.001, 0.002, 0.003):
        tally.acknowledged(100, latency)
    first = tally.mark(1.0)
    tally.acknowledged(100, 1.0)
    tally.refused("too late")
    tally.refused("too late again")
    second = tally.mark(3.0)
    assert (first.records, first.rate, first.longest) == (3, 3.0, 0.003)
    assert (second.records, second.rate, second.failed, second.length) == (1, 0.5, 2, 2.0)
    assert second.median == pytest.approx(1.0, rel=0.02)
    assert tally.latencies.count == tally.records == 4
    said = dict(bench_report.lines(tally))
    assert said["records"] == "4 in 3.0 s"
    assert said["failed"] == "2: too late"


def test_a_load_of_which_nothing_was_stored_has_no_latency() -> None:
    tally = Tally()
    tally.refused("no")
    tally.mark(1.0)
    assert "latency" not in dict(bench_report.lines(tally))


def test_bars_show_the_newest_and_fill_the_room_for_the_largest() -> None:
    assert bench_report.bars([9, 0, 1, 2], 3) == " ▄█"
    assert bench_report.bars([0, 0], 3) == "  "
    assert bench_report.bars([], 3) == ""


def test_a_node_is_what_happened_between_two_scrapes() -> None:
    before = parse(METRICS.format(requests=100, quick=100))
    after = parse(METRICS.format(requests=300, quick=200))
    view = node_view(before, after, 2.0)
    assert (view.connections, view.requests) == (7, 100.0)
    assert view.produce_p50 == pytest.approx(0.01)
    assert view.produce_p99 == pytest.approx(0.01 + 0.09 * 0.98)
    assert view.append_p99 is None
    assert node_view(after, before, 2.0).requests == 0, "a node that was started again counts from 0"


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile({0.1: 1.0, float("inf"): 100.0}, 0.99) == 0.1
    assert quantile({}, 0.5) is None


def test_queues_are_those_of_opened_partitions() -> None:
    assert queues(parse(METRICS.format(requests=1, quick=1))) == {
        ("a", 0): Queue(state="active", queued=3, in_flight=0, in_doubt=0),
        ("a", 1): Queue(state="failed", queued=0, in_flight=0, in_doubt=0),
    }


def look(at: float, **ends: int) -> Look:
    places = {("a", 0): 1, ("a", 1): 1, ("b", 0): 2}
    known = {place: ends[f"{place[0]}{place[1]}"] for place in places if f"{place[0]}{place[1]}" in ends}
    problems = {place: "no answer" for place in places if place not in known}
    return Look(at=at, took=0.01, nodes={1: "h:1"}, leaders=places, ends=known, problems=problems)


def test_the_busiest_partition_comes_first_but_for_one_that_does_not_answer() -> None:
    view = report.View(before=look(1.0, a0=10, a1=10, b0=5), after=look(3.0, a0=20, a1=110))
    assert view.places == [("b", 0), ("a", 1), ("a", 0)]
    assert [view.rate(place) for place in view.places] == [None, 50.0, 5.0]
    assert view.total == 55.0
    assert report.partition_row(view, ("b", 0)) == ["b/0", "2", "no answer", "-"]
    assert report.partition_row(view, ("a", 1)) == ["a/1", "1", "110", "50"]


def test_a_topic_that_was_made_anew_has_no_negative_rate() -> None:
    view = report.View(before=look(1.0, a0=10), after=look(2.0, a0=0))
    assert view.rate(("a", 0)) == 0


def test_a_load_of_one_second_can_be_seen_in_its_picture(tmp_path: Path) -> None:
    tally = Tally()
    tally.acknowledged(1000, 0.004)
    tally.mark(1.0)
    rates, times, _ = picture.drawn("a second", tally).axes
    (rate,) = rates.patches
    assert rate.get_extents().width > 100, "from the beginning to the end of the second"
    assert [line.get_marker() for line in times.lines] == ["."] * 3, "a line of one point has no length"


def test_a_load_of_which_nothing_was_stored_is_drawn(tmp_path: Path) -> None:
    tally = Tally()
    tally.refused("no")
    tally.mark(1.0)
    picture.draw(tmp_path / "load.png", "nothing", tally)
    assert (tmp_path / "load.png").stat().st_size > 1000
