"""Scenarios in which something goes wrong: the connection, kov, or what the producer sends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from tests.clients.records import Record, sized
from tests.clients.round_trips import TOO_LARGE_VALUE
from tests.clients.stage import listening_address
from tests.interop.bench import Bench, all_records, used_topic
from tests.interop.case import Case
from tests.interop.driver import DriverError, Told
from tests.kov_process import KovProcess
from tests.proxy import Fault, free_port, start_proxy

_MESSAGE_TOO_LARGE = 10
_INVALID_TOPIC = 17
_INVALID_REQUIRED_ACKS = 21
_FAULTS = (Fault.DROP_ANSWER, Fault.CUT_REQUEST, Fault.DROP_REQUEST, Fault.DROP_ANSWER)
_AT_ONCE_S = 10.0


async def _stopped(bench: Bench) -> None:
    await _interrupted(bench, gently=True)


async def _killed(bench: Bench) -> None:
    await _interrupted(bench, gently=False)


async def _interrupted(bench: Bench, *, gently: bool) -> None:
    """The same producer sends, kov goes away, the producer sends on, kov comes back."""
    with KovProcess(bench.directory) as kov:
        bench = bench.on(kov)
        topic = await used_topic(bench.stage)
        sent = bench.records(200)
        await bench.driver.open(bench.bootstrap, bench.settings())
        told = await bench.driver.send(topic, sent[:100])
        await asyncio.to_thread(kov.stop if gently else kov.kill)
        rest = asyncio.ensure_future(bench.driver.send(topic, sent[100:]))
        await asyncio.to_thread(kov.start)
        told += await rest
        await bench.driver.close()
        await _check_survived(bench, topic, sent, told)


async def _cut(bench: Bench) -> None:
    """Connections are cut before, in and after a write."""
    with _proxied_kov(bench.directory) as kov:
        bench = bench.on(kov)
        target = listening_address(psutil.Process(kov.process.pid))
        sent, told = bench.records(120), []
        async with start_proxy(target, int(kov.address.rpartition(":")[2])) as proxy:
            topic = await used_topic(bench.stage)
            await bench.driver.open(proxy.address, bench.settings())
            proxy.faults = list(_FAULTS)
            for begin in range(0, len(sent), 20):
                told += await bench.driver.send(topic, sent[begin : begin + 20])
            await bench.driver.close()
            assert not proxy.faults, f"only these faults happened: {proxy.done}"
            await _check_survived(bench, topic, sent, told)


async def _check_survived(bench: Bench, topic: str, sent: Sequence[Record], told: Sequence[Told]) -> None:
    """Once each where the producer is idempotent; at least once where it isn't."""
    if bench.settings().idempotent:
        await bench.check(topic, sent, told, bench.settings())
        return
    failures = [each for each in told if isinstance(each, DriverError)]
    assert not failures, failures[0]
    found = {bench.seen(each.contents) for each in all_records(await bench.stored(topic))}
    assert found == {bench.seen(each.contents) for each in sent}


@contextmanager
def _proxied_kov(directory: Path) -> Iterator[KovProcess]:
    """Its `address`, the one that it tells its clients, is where a proxy should listen."""
    advertised = f"127.0.0.1:{free_port()}"
    with KovProcess(directory, "--data", str(directory / "data"), "--advertise", advertised) as kov:
        yield kov


async def _too_large(bench: Bench) -> None:
    """The record is refused with MESSAGE_TOO_LARGE, and the producer goes on."""
    topic = await used_topic(bench.stage)
    settings = replace(
        bench.settings(), idempotent=bench.settings().idempotent and not bench.client.dies_of_refusals
    )
    large, small = sized("large", [TOO_LARGE_VALUE]), sized("small", [10])
    await bench.driver.open(bench.bootstrap, settings)
    (refused,) = await bench.driver.send(topic, large)
    told = await bench.driver.send(topic, small)
    await bench.driver.close()
    check_refused(refused, bench, _MESSAGE_TOO_LARGE)
    await bench.check(topic, small, told, settings)


async def _too_large_batch(bench: Bench) -> None:
    """Of records that are small enough: split and stored, or refused as a whole. Never half of it."""
    topic = await used_topic(bench.stage)
    settings = replace(bench.settings(linger_ms=1000, batch_bytes=3 << 20), idempotent=False)
    sent = sized("p", [100_000] * 15)
    told = await bench.driver.produce(bench.bootstrap, topic, sent, settings)
    if bench.client.splits:
        await bench.check(topic, sent, told, settings)
        return
    for each in told:
        check_refused(each, bench, _MESSAGE_TOO_LARGE)
    assert not all_records(await bench.stored(topic))


async def _invalid_topic(bench: Bench) -> None:
    check_refused(await _attempt(bench, "not/a topic", acks=-1), bench, _INVALID_TOPIC)


async def _wrong_acks(bench: Bench) -> None:
    topic = await used_topic(bench.stage)
    check_refused(await _attempt(bench, topic, acks=2), bench, _INVALID_REQUIRED_ACKS)
    assert not all_records(await bench.stored(topic))


async def _attempt(bench: Bench, topic: str, acks: int) -> Told:
    """What is told of one record, by a producer of its own."""
    settings = replace(bench.settings(acks=acks, timeout_ms=10_000), idempotent=False)
    try:
        (told,) = await bench.driver.produce(bench.bootstrap, topic, sized("p", [10]), settings)
    except DriverError as error:
        return error
    finally:
        bench.driver.stop()
    return told


def check_refused(told: Told, bench: Bench, code: int) -> None:
    """Kafka's code, or the name of what the library says in its place."""
    assert isinstance(told, DriverError), f"it was taken: {told}"
    own = bench.client.own_words.get(code)
    assert told.code == code or (own is not None and own in str(told)), told


async def _transact(bench: Bench) -> None:
    await _refused_at_once(bench, "transact", 53)


async def _join(bench: Bench) -> None:
    await _refused_at_once(bench, "join", 30)


async def _refused_at_once(bench: Bench, task: str, code: int) -> None:
    topic = await used_topic(bench.stage)
    try:
        async with asyncio.timeout(_AT_ONCE_S):
            await bench.driver.ask(task, bootstrap=bench.bootstrap, topic=topic)
    except DriverError as refused:
        check_refused(refused, bench, code)
    else:
        raise AssertionError("it was taken")
    finally:
        bench.driver.stop()


TROUBLE: tuple[Case, ...] = (
    Case(row="kov restarted in the middle", name="stopped", play=_stopped, everyday=False),
    Case(row="kov restarted in the middle", name="killed", play=_killed),
    Case(row="connection cut around a write", play=_cut),
    Case(row="too large a record", play=_too_large),
    Case(row="too large a batch", play=_too_large_batch, needs=frozenset({"batching", "large batches"})),
    Case(row="invalid topic name", play=_invalid_topic),
    Case(row="acks=2", play=_wrong_acks, needs=frozenset({"other acks"})),
    Case(row="transactions refused at once", play=_transact, needs=frozenset({"transactions"})),
    Case(row="consumer groups refused at once", play=_join, needs=frozenset({"groups"})),
)
