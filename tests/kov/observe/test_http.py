"""`kov serve --http`: what probes are told, while it starts, serves, has lost Varlog, and ends."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import aiohttp
import pytest

from kov import listening
from kov.address import Address
from kov.config import load
from kov.errors import CannotStart, ConfigError
from kov.observe.http import HttpServer
from tests.kov.observe.conftest import FREE, TOPICS, Looked, made
from tests.kov.observe.looking import eventually, get, get_sync
from tests.kov.server.conftest import Cluster
from tests.kov_process import KovProcess


async def test_a_node_that_serves_is_alive_and_ready(looked: Looked) -> None:
    alive = await get(f"{looked.url}/healthz")
    assert (alive.status, alive.json["alive"]) == (200, True)
    ready = await get(f"{looked.url}/readyz")
    assert (ready.status, ready.json) == (200, {"ready": True, "missing": []})
    assert ready.headers["Cache-Control"] == "no-store"


async def test_a_node_without_its_cluster_is_alive_and_says_what_is_missing(cluster: Cluster) -> None:
    config = cluster.config(TOPICS)
    address = cluster.server.address
    await cluster.server.stop()
    found = made(config)
    server, url = found.server, found.url
    starting = asyncio.create_task(server.start())
    await eventually(lambda: _answers(url))
    assert (await get(f"{url}/healthz")).status == 200
    ready = await get(f"{url}/readyz")
    assert ready.status == 503
    assert ready.json["missing"] == ["the Varlog cluster has not been reached yet"]
    with pytest.raises(CannotStart, match=address):
        await starting
    await server.close()


async def _answers(url: str) -> bool:
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_a_node_that_lost_its_cluster_is_alive_and_not_ready(cluster: Cluster) -> None:
    found = made(cluster.config(TOPICS))
    server, url = found.server, found.url
    await server.start()
    assert (await get(f"{url}/readyz")).status == 200
    address = cluster.server.address
    await cluster.server.stop()

    async def lost() -> bool:
        ready = await get(f"{url}/readyz")
        return ready.status == 503 and address in str(ready.json["missing"])

    await eventually(lost)
    assert (await get(f"{url}/healthz")).status == 200
    await server.close()


async def test_what_is_no_page_is_not_found_and_nothing_can_be_written(looked: Looked) -> None:
    assert (await get(f"{looked.url}/nothing")).status == 404
    async with aiohttp.ClientSession() as session, session.post(f"{looked.url}/readyz") as answer:
        assert answer.status == 405


async def test_a_page_that_fails_says_so_and_leaves_the_others_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(_: object) -> object:
        raise ZeroDivisionError("a defect")

    bound = listening.bind_http(FREE)
    assert bound is not None
    server = HttpServer({"/fails": fails})  # type: ignore[dict-item]
    await server.start(bound)
    try:
        (url,) = listening.urls([bound])
        answer = await get(f"{url}/fails")
        assert (answer.status, answer.json) == (500, {"error": "an unexpected error, see kov's log"})
        assert "the page /fails failed" in caplog.text
        assert caplog.records[-1].levelno == logging.ERROR
    finally:
        await server.close()


async def test_a_port_that_is_taken_is_said_before_anything_starts(cluster: Cluster) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address(*taken.getsockname())
        with pytest.raises(CannotStart, match=f"can't listen on {address}"):
            listening.bind_http(address)


def test_the_file_says_where_and_the_command_line_may_say_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    varlog = 'varlog: {cluster_id: 1, metadata_repositories: ["127.0.0.1:1"]}\n'
    path.write_text(varlog + TOPICS + "http: {listen: 127.0.0.1:9464}\n")
    assert load(path).http == Address("127.0.0.1", 9464)
    path.write_text(varlog + TOPICS)
    assert load(path).http is None
    path.write_text(varlog + TOPICS + "http: {listen: here}\n")
    with pytest.raises(ConfigError, match=r"http\.listen"):
        load(path)


def test_several_nodes_need_as_many_ports() -> None:
    assert listening.first_of(Address("127.0.0.1", 9464), 4) == Address("127.0.0.1", 9464)
    with pytest.raises(ConfigError, match="choose a lower one with --http"):
        listening.first_of(Address("127.0.0.1", 65_534), 4)


@pytest.mark.slow
def test_kov_serve_says_where_it_can_be_looked_at(tmp_path: Path) -> None:
    with KovProcess(tmp_path, "--data", str(tmp_path / "kov-data"), "--http", "127.0.0.1:0") as kov:
        url = kov.ready_line.partition("http: ")[2]
        assert url.startswith("http://127.0.0.1:")
        assert get_sync(f"{url}/readyz").status == 200


@pytest.mark.slow
def test_each_of_several_workers_is_looked_at_on_a_port_of_its_own(tmp_path: Path) -> None:
    arguments = ("--data", str(tmp_path / "kov-data"), "--workers", "2", "--http", "127.0.0.1:0")
    with KovProcess(tmp_path, *arguments) as kov:
        urls = kov.ready_line.partition("http: ")[2].split(",")
        assert len(set(urls)) == 2
        assert [get_sync(f"{url}/readyz").status for url in urls] == [200, 200]
