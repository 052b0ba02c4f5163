"""What the scenarios stand on: that a failure can't look like success. Needs no toolchain."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.records import Delivery, sized
from tests.interop.bench import Bench
from tests.interop.building import Build, MissingPrograms
from tests.interop.clients import CLIENTS
from tests.interop.conftest import missing_toolchain
from tests.interop.driver import Driver, DriverError, Settings
from tests.interop.matrix import CASES, ROWS, played, reason
from tests.interop.report import PAGE, Report
from tests.interop.tools import TOOLS

_DRIVER = """
import json, sys
for line in sys.stdin:
    task = json.loads(line)
    {body}
    print(json.dumps(answer), flush=True)
"""


def _driver(tmp_path: Path, body: str) -> Driver:
    program = tmp_path / "driver.py"
    program.write_text(_DRIVER.replace("{body}", body))
    return Driver((sys.executable, str(program)), tmp_path / "log")


async def test_what_a_library_says_comes_back_as_an_error(tmp_path: Path) -> None:
    driver = _driver(tmp_path, "answer = {'error': {'name': 'TooLarge', 'code': 10, 'message': task['do']}}")
    with pytest.raises(DriverError, match=r"TooLarge \(10\): close"):
        await driver.close()
    driver.stop()


async def test_a_driver_that_ends_fails_the_task_with_what_it_said(tmp_path: Path) -> None:
    driver = _driver(tmp_path, "sys.exit('no such class')")
    with pytest.raises(AssertionError, match="no such class"):
        await driver.close()
    driver.stop()


async def test_a_stopped_driver_is_started_anew(tmp_path: Path) -> None:
    driver = _driver(tmp_path, "import os; answer = {'ok': {'process': os.getpid()}}")
    first = await driver.ask("any")
    assert await driver.ask("any") == first
    driver.stop()
    assert await driver.ask("any") != first
    driver.stop()


async def test_records_survive_the_way_to_the_driver_and_back(tmp_path: Path) -> None:
    told = "{'partition': each['partition'], 'offset': 7}"
    body = f"answer = {{'ok': {{'told': [{told} for each in task['records']]}}}}"
    driver = _driver(tmp_path, body)
    assert await driver.send("topic", sized("p", [10, 2_000_000])) == [Delivery(0, 7)] * 2
    driver.stop()


def test_a_refused_record_is_not_a_delivery(tmp_path: Path) -> None:
    bench = Bench(client=CLIENTS[0], driver=None, stage=None, directory=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(DriverError):
        bench._delivery(DriverError("refused", 10, ""), Settings())


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    build = Build(name="go", programs=("no-such-program",), make=lambda _: None)
    with pytest.raises(MissingPrograms, match="no-such-program"):
        build.directory()


@pytest.mark.parametrize("name", ["CI", "KOV_REQUIRE_TOOLCHAINS"])
def test_a_missing_toolchain_fails_where_all_must_be_there(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(pytest.fail.Exception, match="franz-go: not on PATH: go"):
        missing_toolchain("franz-go", MissingPrograms("not on PATH: go"))


def test_a_missing_toolchain_is_skipped_elsewhere_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("KOV_REQUIRE_TOOLCHAINS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="franz-go: not on PATH: go"):
        missing_toolchain("franz-go", MissingPrograms("not on PATH: go"))


def test_every_client_plays_or_says_why_not() -> None:
    pairs = {(client.name, case.row) for client, case in played()}
    for client in CLIENTS:
        for row in ROWS:
            assert ((client.name, row) in pairs) == (reason(client, row) is None)


def test_no_client_lacks_what_nobody_asks_for() -> None:
    shapes = {
        "null header", "null key and value", "repeated headers", "headers",
        "timestamps", "reading empty", "sending empty",
    }  # fmt: skip
    asked = shapes.union(*(case.needs for case in CASES))
    for client in CLIENTS:
        assert set(client.lacks) <= asked, client.name


@pytest.mark.parametrize(
    ("outcomes", "mark"),
    [(["passed", "passed"], "✓"), (["passed", "failed"], "✗"), (["skipped"], "not run"), ([], "not run")],
)
def test_a_cell_is_green_only_if_all_its_cases_passed(outcomes: list[str], mark: str) -> None:
    report = Report()
    report.outcomes["Java 4", ROWS[0]] += outcomes
    (line,) = [line for line in report.lines() if line.startswith(f"| {ROWS[0]} |")]
    assert line.split(" | ")[1] == mark


def test_the_page_tells_of_every_client_row_and_tool_and_nothing_on_it_is_red() -> None:
    page = PAGE.read_text()
    for row in ROWS:
        (line,) = re.findall(rf"^\| {re.escape(row)} \|(.*)\|$", page, re.MULTILINE)
        cells = [cell.strip() for cell in line.split(" | ")]
        assert [cell == "—" for cell in cells] == [bool(reason(client, row)) for client in CLIENTS], row
        assert not {"✗"} & set(cells), row
    for tool in TOOLS:
        assert re.search(rf"^\| `{re.escape(tool.name)}` \| (✓|not run) \|", page, re.MULTILINE), tool.name


def test_a_library_that_lacks_a_feature_is_sent_what_it_can_take(tmp_path: Path) -> None:
    plain = replace(CLIENTS[0], lacks={"headers": "none"})
    bench = Bench(client=plain, driver=None, stage=None, directory=tmp_path)  # type: ignore[arg-type]
    assert not [each for each in bench.records(10) if each.contents.headers or each.contents.value is None]
