"""The status page over HTTP: what it says, that nothing from outside becomes markup, and what it costs."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from kov.observe.status import rows, words
from kov.observe.status.advice import advice_for, is_known
from kov.observe.status.asking import Ask
from kov.observe.status.serving import POLICY
from kov.observe.status.troubles import Trouble, Troubles
from tests.kov.observe.conftest import Looked, made
from tests.kov.observe.load import HOSTILE
from tests.kov.observe.looking import eventually, get
from tests.kov.server.conftest import Cluster

FEW = "topics: {orders: {topic_id: 1, partitions: [1, 2, 3]}}\n"
MANY = 10_000
A_LOT = f"""topics:
  orders: {{topic_id: 1, partitions: [1, 2, 3]}}
  a-lot: {{topic_id: 2, partitions: [{", ".join(map(str, range(4, 4 + MANY)))}]}}
"""


class Served:
    """A kov whose status is asked for."""

    def __init__(self, looked: Looked) -> None:
        self.server, self.url = looked.server, looked.url
        self.bootstrap = looked.bootstrap

    async def status(self, query: str = "") -> Any:
        return json.loads((await get(f"{self.url}/status.json{query}")).text)

    async def rows(self, query: str = "") -> Any:
        return (await self.status(query))["partitions"]["rows"]


async def serve(config_text: str, cluster: Cluster) -> Served:
    looked = made(cluster.config(config_text))
    await looked.server.start()
    return Served(looked)


@pytest.fixture
async def served(cluster: Cluster) -> AsyncIterator[Served]:
    found = await serve(FEW, cluster)
    yield found
    await found.server.close()


@pytest.fixture
async def large(cluster: Cluster) -> AsyncIterator[Served]:
    found = await serve(A_LOT, cluster)
    yield found
    await found.server.close()


@asynccontextmanager
async def producing(
    served: Served, client_id: str, *, timeout_ms: int = 10_000
) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=served.bootstrap, client_id=client_id, request_timeout_ms=timeout_ms
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def write(served: Served, topic: str, partition: int) -> None:
    async with producing(served, "writer") as producer:
        await producer.send_and_wait(topic, b"a record", partition=partition)


async def answers(url: str) -> bool:
    try:
        return (await get(url)).status == 200
    except ClientError:
        return False


class Markup(HTMLParser):
    """The elements of a page, and the text of its table rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.rows: list[str] = []
        self._in_row = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag == "tr":
            self._in_row = True
            self.rows.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_row = self._in_row and tag != "tr"

    def handle_data(self, data: str) -> None:
        if self._in_row:
            self.rows[-1] += f" {data}"


async def test_what_was_written_and_by_whom_is_told(served: Served) -> None:
    async with producing(served, "checkout") as producer:
        await producer.send_and_wait("orders", b"a record", partition=1)
        status = await served.status()
    assert (status["headline"], status["well"]) == ("kov serves", True)
    assert status["node"]["listeners"] == [
        {"name": "default", "bind": "127.0.0.1:0", "advertise": served.bootstrap}
    ]
    assert (status["writing"]["records"], status["writing"]["batches"]) == (1, 1)
    (client,) = status["clients"]["rows"]
    assert client["client_id"] == "checkout"
    assert client["remote"].startswith("127.0.0.1:")
    assert client["requests"] >= 2
    assert {"ApiVersions", "Metadata", "Produce"} <= {api["name"] for api in status["apis"]}
    row = status["partitions"]["rows"][0]
    assert (row["name"], row["label"], row["log_stream"], row["epoch"]) == ("orders/1", "written here", 2, 1)
    assert (row["start_offset"], row["end_offset"], row["records"], row["appends"]) == (0, 1, 1, 1)
    assert row["here"]
    assert row["append_seconds"] > 0


async def test_no_name_from_outside_becomes_markup(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    before = Markup((await get(f"{served.url}/")).text)
    odd = "topic=%22%3E%3Cscript%3E&client=%3Cscript%3E&page=%3Cscript%3E&show=%22%3E"
    logging.getLogger("kov.peer").warning("a client called %s is odd", HOSTILE)
    async with producing(served, HOSTILE) as producer:
        await producer.send_and_wait("orders", b"a record", partition=0)
        page = await get(f"{served.url}/?{odd}")
        whole = await get(f"{served.url}/")
        status = await served.status()
    assert status["clients"]["rows"][0]["client_id"] == HOSTILE
    for answer in (page, whole):
        assert "<script>" not in answer.text
        assert Markup(answer.text).elements.count("script") == before.elements.count("script") == 1
    assert "&lt;script&gt;" in whole.text
    assert any(HOSTILE in row for row in Markup(whole.text).rows)
    assert f"a client called {HOSTILE} is odd" in caplog.messages


async def test_the_browser_is_told_to_run_and_load_nothing_but_what_is_kov_s(served: Served) -> None:
    types = {"/": "text/html", "/status.css": "text/css", "/status.js": "text/javascript"}
    for path, kind in (types | {"/status.svg": "image/svg+xml", "/status.json": "application/json"}).items():
        answer = await get(served.url + path)
        assert answer.status == 200, path
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    page = (await get(f"{served.url}/")).text
    assert not re.search(r"https?:|//|\sstyle=|\son\w+=", page), "neither from elsewhere nor inline"
    assert "unsafe" not in POLICY
    assert "default-src 'none'" in POLICY


async def test_without_scripts_the_page_is_a_table_already(served: Served) -> None:
    await write(served, "orders", 2)
    page = Markup((await get(f"{served.url}/")).text)
    assert {"main", "header", "nav", "footer", "h1", "caption", "noscript", "form", "label"} <= {
        *page.elements
    }
    (row,) = (row for row in page.rows if "orders/2" in row)
    for part in ("written here", "Varlog topic 1", "this node", "epoch 1", "0 to 1", "1 record", "ms"):
        assert part in row
    assert any("Produce" in row for row in page.rows)


async def test_of_ten_thousand_partitions_a_page_is_shown_the_opened_ones_first(large: Served) -> None:
    await write(large, "orders", 1)
    status = await large.status()
    partitions = status["partitions"]
    assert (partitions["total"], partitions["pages"], partitions["topics"]) == (MANY + 3, 201, 2)
    assert partitions["states"] == {"written here": 1, "not opened": MANY + 2}
    names = [row["name"] for row in await large.rows()]
    assert names == ["orders/1", *(f"a-lot/{index}" for index in range(49))]
    assert (await large.rows("?page=2"))[0]["name"] == "a-lot/49"
    assert [row["name"] for row in await large.rows("?page=999")] == ["a-lot/9999", "orders/0", "orders/2"]
    assert (await large.rows("?topic=ORD"))[0]["name"] == "orders/1"
    assert len(await large.rows("?topic=ord")) == 3
    assert [row["name"] for row in await large.rows("?show=opened")] == ["orders/1"]
    assert len(await large.rows("?show=unopened&topic=ord")) == 2
    assert await large.rows("?show=trouble") == []
    assert len((await get(f"{large.url}/status.json")).text) < 64 * 1024


async def test_of_ten_thousand_missing_log_streams_a_few_are_named(large: Served) -> None:
    (trouble,) = (await large.status())["troubles"]
    assert trouble["what"].startswith("topics.a-lot: the cluster has no log stream 5, 6,")
    assert " and 9,989 more; `kov check " in trouble["what"]


async def test_looking_at_ten_thousand_partitions_opens_none_and_takes_little_time(large: Served) -> None:
    began = time.process_time()
    for page in range(20):
        await large.status(f"?page={page}")
    assert (time.process_time() - began) / 20 < 0.05
    assert (await large.status())["partitions"]["states"] == {"not opened": MANY + 3}


async def test_a_partition_that_can_t_be_opened_says_why_and_comes_first(cluster: Cluster) -> None:
    served = await serve(FEW, cluster)
    await write(served, "orders", 1)
    await served.server.close()
    served = await serve("topics: {bills: {topic_id: 1, partitions: [1, 2]}}\n", cluster)
    async with producing(served, "ledger", timeout_ms=300) as producer:
        with pytest.raises(KafkaError):
            await producer.send_and_wait("bills", b"refused", partition=1)
    row = (await served.rows())[0]
    assert (row["name"], row["label"]) == ("bills/1", "can't be opened")
    assert "this log stream belongs to" in row["detail"]
    (trouble, *_) = (await served.status())["troubles"]
    assert trouble["what"].startswith("bills/1: "), "no repr"
    assert "Correct the mapping file" in trouble["todo"]
    assert [each["name"] for each in await served.rows("?show=trouble")] == ["bills/1"]
    await served.server.close()


async def test_a_node_that_starts_says_what_it_waits_for(cluster: Cluster) -> None:
    looked = made(cluster.config(FEW))
    await cluster.server.stop()
    starting = asyncio.create_task(looked.server.start())
    await eventually(lambda: answers(f"{looked.url}/healthz"))
    status = (await get(f"{looked.url}/status.json")).json
    assert (status["well"], status["headline"]) == (
        False,
        "kov is starting: the Varlog cluster has not been reached yet",
    )
    page = (await get(f"{looked.url}/")).text
    assert "Not ready: the Varlog cluster has not been reached yet" in page
    starting.cancel()
    await asyncio.wait([starting])


async def test_a_server_that_was_closed_listens_to_the_log_no_more(served: Served, cluster: Cluster) -> None:
    def listening() -> int:
        return sum(isinstance(each, Troubles) for each in logging.getLogger("kov").handlers)

    before = listening()
    other = await serve(FEW, cluster)
    assert listening() == before + 1
    await other.server.close()
    assert listening() == before


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    found = Troubles(limit=3)
    found.watch()
    yield found
    found.close()


def test_only_the_newest_troubles_are_kept_and_the_same_one_once(troubles: Troubles) -> None:
    log = logging.getLogger("kov.somewhere")
    for number in (1, 2, 3, 4, 3):
        log.warning("number %d", number)
    log.info("not of interest")
    assert [(each.what, each.count) for each in troubles.newest()] == [
        ("number 3", 2),
        ("number 4", 1),
        ("number 2", 1),
    ]


def test_of_a_flood_the_newest_stands_for_all(troubles: Troubles) -> None:
    log = logging.getLogger("kov.peers")
    log.warning("%s: closing the connection: odd", "<Peer 10.0.0.1:1 client=a listener=main>")
    log.warning(
        "%s: closing the connection: odd (7 more like this)", "<Peer 10.0.0.2:1 client=None listener=x>"
    )
    (trouble,) = troubles.newest()
    assert (trouble.what, trouble.count) == ("a client at 10.0.0.2:1: closing the connection: odd", 9)


def test_a_defect_is_told_with_its_error_and_asks_to_be_reported(troubles: Troubles) -> None:
    try:
        raise ZeroDivisionError("a defect")
    except ZeroDivisionError:
        logging.getLogger("varlog_client").exception("a callback failed")
    (trouble,) = troubles.newest()
    assert (trouble.what, trouble.error) == ("a callback failed (ZeroDivisionError: a defect)", True)
    assert trouble.todo.startswith("Report this defect of kov")


def test_what_is_long_is_cut(troubles: Troubles) -> None:
    peer = f"<Peer 10.0.0.1:1 client={'x' * 30_000} listener=main>"
    logging.getLogger("kov").warning("%s: closing the connection: %s", peer, "y" * 10_000)
    (trouble,) = troubles.newest()
    assert len(trouble.what) == 600
    assert "closing the connection" in trouble.what
    assert "isn't a Kafka client" in trouble.todo


@pytest.mark.parametrize(
    "line",
    [
        "<Partition orders/0 OPENING next=1 epoch=1 in_flight=0 queued=1 doubtful=0>: log stream 1 of Varlog "
        "topic 1 is sealed; kov waits until it is unsealed",
        "<Partition orders/0 OPENING …>: can't be opened now: no replica answers",
        "<Partition orders/0 DEPOSED …>: node 2 writes this partition now",
        "<Partition orders/0 FAILED …>: entry 3 says that this log stream belongs to partition 0",
        "<Partition orders/0 FAILED …>: the log stream was trimmed; run kov repair m.yaml orders/0",
        "<Partition orders/0 DEPOSED …>: it was fenced",
        "an append landed at 4, not at 3: somebody else writes",
        "the embedded store ended (status 1), starting it again",
        "m.yaml:10: topics.b.topic_id: 'zwei' can't be used; write the Varlog topic, for example 1",
    ],
)
def test_each_line_that_the_operations_page_explains_has_advice(line: str) -> None:
    assert is_known(line)
    assert advice_for(line, defect=False)


def test_what_is_to_be_typed_is_marked_in_the_page() -> None:
    trouble = Trouble(
        error=False, what="a < b", todo="Run `kov check <FILE>`: it says", count=1, first=1, last=1
    )
    assert "Run <code>kov check &lt;FILE&gt;</code>: it says" in rows.trouble_items([trouble])


def test_numbers_are_written_for_people() -> None:
    assert [words.size(each) for each in (0, 1023, 1536, 200 * 1024, 3 * 1024**3)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "200 KiB",
        "3.0 GiB",
    ]
    assert [words.duration(each) for each in (5.9, 61, 3661, 90_061)] == [
        "5 s",
        "1 min 1 s",
        "1 h 1 min",
        "1 d 1 h",
    ]
    assert [words.latency(each) for each in (0.0031, 0.031, 3.14)] == ["3.1 ms", "31 ms", "3.1 s"]
    assert words.quantile((0.001, 0.01), (0, 0, 0), 0.5) == ""
    assert words.quantile((0.001, 0.01), (9, 1, 0), 0.5) == "≤ 1.0 ms"
    assert words.quantile((0.001, 0.01), (0, 1, 9), 0.99) == "> 10 ms"


def test_a_question_that_makes_no_sense_is_answered_nevertheless() -> None:
    odd = Ask.of({"page": "-1", "clients": "x" * 99, "show": "'", "topic": " " + "T" * 999})
    assert (odd.page, odd.client_page, odd.show, odd.topic) == (1, 1, "all", "t" * 250)
    assert Ask.of({"page": "3", "topic": "a&b"}).query(page=4) == "?topic=a%26b&page=4"


def test_the_page_is_part_of_the_package() -> None:
    project = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"kov.observe" = ["page/*"]' in project
