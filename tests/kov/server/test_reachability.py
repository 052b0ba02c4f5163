"""Advertised addresses at which nobody, or somebody else, would be found are warned of."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from kov.address import Address
from kov.config import Listener, NodeConfig
from kov.reachability import offers_loopback, warn_of_unreachable


def node(bind: str, advertise: str) -> NodeConfig:
    listener = Listener(bind=Address.parse(bind), advertise=Address.parse(advertise))
    return NodeConfig(node_id=1, listeners={"outside": listener})


@pytest.mark.parametrize(
    ("bind", "advertise", "warned"),
    [
        ("0.0.0.0:1", "127.0.0.1:1", True),
        ("[::]:1", "localhost:1", True),
        ("10.0.0.1:1", "[::1]:1", True),
        ("127.0.0.1:1", "127.0.0.1:1", False),
        ("localhost:1", "127.0.0.1:1", False),
        ("0.0.0.0:1", "kov.example:1", False),
        ("0.0.0.0:1", "10.0.0.1:1", False),
    ],
)
def test_a_loopback_address_is_for_those_who_are_here(bind: str, advertise: str, warned: bool) -> None:
    assert offers_loopback(node(bind, advertise).listeners["outside"]) is warned


async def test_an_address_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.2", 0))
        await warn_of_unreachable(node("127.0.0.1:1", f"127.0.0.2:{bound.getsockname()[1]}"))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "listener outside: clients are told to connect to 127.0.0.2:" in record.message
    assert "Connect call failed" in record.message or "refused" in record.message


async def test_a_name_that_nobody_knows(caplog: pytest.LogCaptureFixture) -> None:
    await warn_of_unreachable(node("127.0.0.1:1", "kov.invalid:9092"), patience_s=4)
    assert "clients are told to connect to kov.invalid:9092, and from here that can't be done" in caplog.text


async def test_an_address_that_leads_here_is_fine(caplog: pytest.LogCaptureFixture) -> None:
    taken = asyncio.Event()

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await warn_of_unreachable(node(f"127.0.0.2:{port}", f"127.0.0.1:{port}"))
        await taken.wait()
    assert caplog.records == []


async def test_the_address_that_is_listened_on_is_not_even_tried(caplog: pytest.LogCaptureFixture) -> None:
    await warn_of_unreachable(node("127.0.0.1:1", "127.0.0.1:1"))
    await warn_of_unreachable(node("127.0.0.1:0", "127.0.0.1:1"))
    assert caplog.records == []
