"""The alert rules and the dashboard: they name metrics that there are, and a real Prometheus takes them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Consumer, Producer, TopicPartition

from kov.observe.families import FAMILIES, Kind
from tests.kov.observe.looking import get_sync
from tests.kov.observe.prometheus import DASHBOARD, MISSING, RULES, Prometheus, installed, promtool
from tests.kov_process import KovProcess
from tests.waiting import wait_for_sync

METRIC = re.compile(r"\bkov_[a-z_]+")
needs_prometheus = pytest.mark.skipif(not installed(), reason=MISSING)
_PARTS = ("_bucket", "_sum", "_count")


def names() -> set[str]:
    return {
        family.name + part
        for family in FAMILIES
        for part in (_PARTS if family.kind is Kind.HISTOGRAM else ("",))
    }


def rules() -> list[dict[str, object]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> dict[str, str]:
    """The dashboard's queries by panel and letter, with its variables set."""
    found = {}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "10s")
            for variable in ("$instance", "$topic"):
                expression = expression.replace(variable, ".*")
            found[f"{panel['title']} {target['refId']}"] = expression
    return found


def test_alerts_are_about_metrics_that_there_are() -> None:
    for rule in rules():
        assert set(METRIC.findall(str(rule["expr"]))) <= names(), rule["alert"]


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for rule in rules():
        notes, labels = rule["annotations"], rule["labels"]
        assert isinstance(notes, dict)
        assert isinstance(labels, dict)
        assert len(notes["summary"]) > 20, rule["alert"]
        assert len(notes["action"]) > 40, rule["alert"]
        assert labels["severity"] in {"critical", "warning"}


def test_for_every_alert_there_is_a_case_below() -> None:
    assert {str(rule["alert"]) for rule in rules()} == set(ALERTS)


def test_the_dashboard_is_about_metrics_that_there_are() -> None:
    found = queries()
    assert len(found) > 30
    for title, expression in found.items():
        assert set(METRIC.findall(expression)) <= names(), title
        assert "$" not in expression, title


def test_grafana_finds_its_data_source_and_its_dashboard_where_compose_puts_them() -> None:
    folder = DASHBOARD.parent
    (source,) = yaml.safe_load((folder / "grafana-datasources.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "grafana-dashboards.yml").read_text())["providers"]
    compose = yaml.safe_load((folder.parent / "monitoring.yml").read_text())["services"]
    dashboard = json.loads(DASHBOARD.read_text())

    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == source["type"] == "prometheus"
    assert variables["datasource"]["current"] == {"text": source["name"], "value": source["uid"]}
    asked = [each for panel in dashboard["panels"] for each in (panel, *panel.get("targets", []))]
    named = {each["datasource"]["uid"] for each in asked if "datasource" in each}
    assert named == {"${datasource}"}
    assert "__inputs" not in dashboard, "these are for imports by hand only"

    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose
    mounts = dict(each.split(":")[:2] for each in compose["grafana"]["volumes"])
    assert mounts["./monitoring"] == provider["options"]["path"]
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/{DASHBOARD.name}"
    for file in ("datasources", "dashboards"):
        assert mounts[f"./monitoring/grafana-{file}.yml"] == f"/etc/grafana/provisioning/{file}/kov.yml"


def test_every_panel_of_the_dashboard_has_a_place_of_its_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


P = 'topic="orders", partition="0"'
ALERTS: dict[str, tuple[list[tuple[str, str]], str]] = {
    # What is scraped every minute, and when the alert is out.
    "KovDown": ([('up{job="kov"}', "1 0x9")], "3m"),
    "KovNotReady": ([("kov_ready", "1 0x9")], "4m"),
    "KovPartitionFailed": ([(f'kov_partition_state{{{P}, state="failed"}}', "1x9")], "2m"),
    "KovPartitionOpeningForLong": ([(f'kov_partition_state{{{P}, state="opening"}}', "1x9")], "3m"),
    "KovPartitionsQuarrel": ([(f"kov_partition_deposals_total{{{P}}}", "0+1x20")], "10m"),
    "KovAppendsInDoubt": ([(f"kov_partition_doubts_total{{{P}}}", "0+6x60")], "30m"),
    "KovSlowProduce": (
        [
            ('kov_kafka_requests_total{api="Produce"}', "0+60x60"),
            ('kov_kafka_request_duration_seconds_bucket{api="Produce", le="2.5"}', "0+30x60"),
            ('kov_kafka_request_duration_seconds_bucket{api="Produce", le="5.0"}', "0+60x60"),
            ('kov_kafka_request_duration_seconds_bucket{api="Produce", le="+Inf"}', "0+60x60"),
        ],
        "30m",
    ),
    "KovProduceErrors": (
        [('kov_kafka_request_errors_total{api="Produce", error="KAFKA_STORAGE_ERROR"}', "0+60x60")],
        "30m",
    ),
    "KovMemoryShort": ([("kov_memory_held_bytes", "95x9"), ("kov_memory_limit_bytes", "100x9")], "4m"),
    "KovEventLoopLags": (
        [
            ('kov_event_loop_lag_seconds_bucket{le="0.25"}', "0+200x60"),
            ('kov_event_loop_lag_seconds_bucket{le="0.5"}', "0+240x60"),
            ('kov_event_loop_lag_seconds_bucket{le="+Inf"}', "0+240x60"),
        ],
        "30m",
    ),
    "KovVarlogMetadataOld": ([("kov_varlog_metadata_age_seconds", "0+60x20")], "10m"),
    "KovLogsErrors": ([('kov_log_lines_total{level="error"}', "0 0 1x9")], "5m"),
}


def alert_tests(*, healthy: bool) -> str:
    """As promtool reads them. `healthy`: nothing ever changes and nothing is out."""
    tests = []
    for alert, (series, at) in ALERTS.items():
        given = [
            {
                "series": name,
                "values": "0x60" if healthy and "limit" not in name and "ready" not in name else values,
            }
            for name, values in series
        ]
        if healthy:
            given = [each for each in given if not each["series"].startswith(("up", "kov_ready"))]
        out = {"expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})', "eval_time": at}
        expected = [] if healthy else [{"labels": "{}", "value": 1}]
        tests.append(
            {
                "interval": "1m",
                "input_series": given,
                "promql_expr_test": [{**out, "exp_samples": expected}],
            }
        )
    return json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests})


@contextmanager
def load(address: str) -> Iterator[None]:
    """Producers and consumers come and go until the end of the block."""
    ended = threading.Event()

    def write() -> None:
        producer = Producer({"bootstrap.servers": address, "linger.ms": 5})
        while not ended.wait(0.02):
            for number in range(100):
                producer.produce("orders", b"x" * 200, key=str(number))
            producer.poll(0)
        producer.flush(10)

    def read() -> None:
        while not ended.is_set():
            consumer = Consumer({"bootstrap.servers": address, "group.id": "unused"})
            consumer.assign([TopicPartition("orders", 0, 0)])
            consumer.consume(100, 1.0)
            consumer.close()

    threads = [threading.Thread(target=work) for work in (write, read)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(30)


@pytest.mark.slow
@needs_prometheus
def test_a_real_prometheus_has_data_for_every_panel_and_takes_every_rule(tmp_path: Path) -> None:
    with KovProcess(tmp_path, "--data", str(tmp_path / "kov-data"), "--http", "127.0.0.1:0") as kov:
        target = kov.ready_line.partition("http: http://")[2]
        with Prometheus(tmp_path, [target]) as prometheus, load(kov.address):
            for title, expression in queries().items():
                asked = partial(prometheus.query, expression)
                wait_for_sync(asked, timeout_s=40, what=f"{title}: {expression}")
            (rate,) = prometheus.query("sum(rate(kov_partition_records_total[10s]))")
            assert rate.value > 100
            (requests,) = prometheus.query('sum(rate(kov_kafka_requests_total{api="Produce"}[10s]))')
            assert requests.value > 1
            alerts = {str(rule["alert"]) for rule in rules()}
            wait_for_sync(lambda: prometheus.rules() == dict.fromkeys(alerts, "ok"))
            said = promtool("check", "metrics", given=get_sync(f"http://{target}/metrics").text)
            assert said == ""


@pytest.mark.slow
@needs_prometheus
def test_prometheus_finds_no_fault_in_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


@pytest.mark.slow
@needs_prometheus
@pytest.mark.parametrize("healthy", [False, True])
def test_every_alert_is_out_when_it_should_be_and_not_otherwise(tmp_path: Path, *, healthy: bool) -> None:
    cases = tmp_path / "alerts.yml"
    cases.write_text(alert_tests(healthy=healthy))
    assert "SUCCESS" in promtool("test", "rules", str(cases))
