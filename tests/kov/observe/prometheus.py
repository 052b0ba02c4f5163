"""A real Prometheus, where its programs are on PATH (Debian's package prometheus)."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from tests.kov.observe.looking import get_sync
from tests.waiting import wait_for_sync

MISSING = "needs Prometheus: apt-get install prometheus"
RULES = Path(__file__).resolve().parents[3] / "compose" / "monitoring" / "rules.yml"
DASHBOARD = RULES.with_name("dashboard.json")


def installed() -> bool:
    """In CI it must be."""
    found = shutil.which("prometheus") is not None and shutil.which("promtool") is not None
    assert found or not os.environ.get("KOV_REQUIRE_TOOLCHAINS"), MISSING
    return found


def promtool(*arguments: str, given: str | None = None) -> str:
    """What it says; AssertionError where it finds fault."""
    ended = subprocess.run(
        ["promtool", *arguments], input=given, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0, f"promtool {' '.join(arguments)}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


@dataclass(frozen=True)
class Series:
    labels: dict[str, str]
    value: float


class Prometheus:
    """Scrapes `targets` (HOST:PORT) every second and evaluates the rules of kov; a context manager."""

    def __init__(self, directory: Path, targets: Sequence[str]) -> None:
        self._directory = directory
        self._targets = targets
        self._log = directory / "prometheus.log"
        self._url = ""

    def __enter__(self) -> Prometheus:
        config = self._directory / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{RULES}]\n"
            "scrape_configs:\n"
            "  - job_name: kov\n"
            f"    static_configs: [{{targets: {json.dumps(list(self._targets))}}}]\n"
        )
        promtool("check", "config", str(config))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    "--web.listen-address=127.0.0.1:0",
                ],
                stdout=log,
                stderr=log,
            )
        port = wait_for_sync(self._port, timeout_s=30, what="Prometheus listens")
        self._url = f"http://127.0.0.1:{port}"
        wait_for_sync(lambda: get_sync(f"{self._url}/-/ready").status == 200, timeout_s=30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _port(self) -> int | None:
        assert self._process.poll() is None, self._log.read_text()
        found = psutil.Process(self._process.pid).net_connections("tcp")
        return next((each.laddr.port for each in found if each.status == psutil.CONN_LISTEN), None)

    def query(self, expression: str) -> list[Series]:
        """The series that it has a number for, now."""
        asked = urllib.parse.urlencode({"query": expression})
        answer = get_sync(f"{self._url}/api/v1/query?{asked}")
        assert answer.status == 200, f"{expression}: {answer.text}"
        result = json.loads(answer.text)["data"]["result"]
        series = [Series(each["metric"], float(each["value"][1])) for each in result]
        return [each for each in series if not math.isnan(each.value)]

    def rules(self) -> dict[str, str]:
        """Every alert's health: ok once it was evaluated."""
        groups = json.loads(get_sync(f"{self._url}/api/v1/rules").text)["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
