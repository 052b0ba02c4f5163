"""One connection's promises, over real sockets, with a client whose answers the test gives by hand."""

from __future__ import annotations

import asyncio
import inspect
import struct
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack

import pytest
import uvloop

from kov.budget import Budget
from kov.errors import ProtocolError
from kov.wire.limits import Limits
from tests.kov.wire.by_hand import Client, answer, connected, until
from tests.kov.wire.requests import sized


class Counting:
    """A transport that notes how many answers each write carries."""

    def __init__(self, transport: asyncio.Transport, written: list[int]) -> None:
        self._transport = transport
        self._written = written

    def writelines(self, answers: list[bytes]) -> None:
        self._written.append(len(answers))
        self._transport.writelines(answers)

    def is_closing(self) -> bool:
        return self._transport.is_closing()


async def test_answers_leave_in_the_order_of_the_requests() -> None:
    async with connected() as (client, wire):
        wire.send(b"1", b"2", b"3")
        await until(lambda: len(client.replies) == 3)
        for reply in reversed(client.replies):
            answer(reply)
        assert [await wire.receive() for _ in range(3)] == [b"re:1", b"re:2", b"re:3"]


async def test_a_request_without_an_answer_takes_its_turn() -> None:
    async with connected() as (client, wire):
        wire.send(b"1", b"2")
        await until(lambda: len(client.replies) == 2)
        answer(client.replies[1])
        client.replies[0].future.set_result(None)
        assert await wire.receive() == b"re:2"


async def test_a_request_larger_than_the_socket_takes_at_once() -> None:
    async with connected() as (client, wire):
        wire.send(bytes(20 * 1024 * 1024))
        await until(lambda: bool(client.replies))
        assert len(client.replies[0].request) == 20 * 1024 * 1024


async def test_requests_before_a_broken_one_are_answered_and_then_the_connection_ends() -> None:
    async with connected() as (client, wire):
        wire.send(b"1", b"2", b"bad", b"3")
        await until(lambda: bool(client.errors))
        assert [reply.request for reply in client.replies] == [b"1", b"2"]
        answer(client.replies[0])
        answer(client.replies[1])
        assert [await wire.receive(), await wire.receive()] == [b"re:1", b"re:2"]
        assert await wire.is_closed()
        assert client.errors == ["a bad request"]


async def test_an_answer_that_is_to_hang_up_ends_the_connection_and_closes_the_later_ones() -> None:
    async with connected() as (client, wire):
        wire.send(b"1", b"2", b"3")
        await until(lambda: len(client.replies) == 3)
        client.replies[0].future.set_exception(ProtocolError("hang up"))
        assert await wire.is_closed()
        assert [reply.closed for reply in client.replies[1:]] == [True, True]
        assert client.errors == ["hang up"]


async def test_when_the_peer_goes_the_awaited_answer_is_cancelled_and_the_others_are_closed() -> None:
    async with connected() as (client, wire):
        wire.send(b"1", b"2")
        await until(lambda: len(client.replies) == 2)
        wire.writer.transport.abort()
        await client.gone.wait()
        await client.connection.wait_closed()
        assert client.replies[0].future.cancelled()
        assert client.replies[1].closed


async def test_a_half_closed_connection_is_closed() -> None:
    async with connected() as (client, wire):
        wire.send(b"1")
        await until(lambda: bool(client.replies))
        wire.writer.write_eof()
        assert await wire.is_closed()
        assert client.replies[0].future.cancelled()


async def test_who_goes_after_a_broken_request_is_not_waited_for() -> None:
    """Its answers may take as long as a Fetch wants to wait."""
    async with connected() as (client, wire):
        wire.send(b"1", b"bad")
        await until(lambda: bool(client.errors))
        wire.send(*[bytes(5000)] * 1000)
        wire.writer.write_eof()
        assert await wire.is_closed()
        assert [reply.request for reply in client.replies] == [b"1"]
        assert client.replies[0].future.cancelled()


async def test_no_more_requests_are_read_than_a_connection_may_have_in_progress() -> None:
    limits = Limits(max_connection_requests=10)
    async with connected(limits) as (client, wire):
        request = bytes(5000)
        wire.send(*[request] * 100)
        await until(lambda: len(client.replies) >= 10)
        assert "paused" in repr(client.connection)
        assert len(client.replies) <= 10 + 3  # one chunk holds three
        for done in range(100):
            await until(lambda done=done: len(client.replies) > done)  # type: ignore[misc]
            answer(client.replies[done])
            assert len(client.replies) <= done + 14
            await wire.receive()


async def test_no_more_bytes_are_read_than_a_connection_may_have_in_progress() -> None:
    limits = Limits(max_connection_bytes=1_000_000)
    async with connected(limits) as (client, wire):
        wire.send(*[bytes(400_000)] * 6)
        await until(lambda: len(client.replies) == 3)
        assert "paused" in repr(client.connection)
        for done in range(6):
            await until(lambda done=done: len(client.replies) > done)  # type: ignore[misc]
            answer(client.replies[done])
            await wire.receive()
        assert "reading requests=0 bytes=0" in repr(client.connection)


async def test_a_budget_spent_by_one_connection_stops_the_others_until_it_gives_back() -> None:
    budget = Budget(1_000_000)
    async with connected(budget=budget) as (greedy, first), connected(budget=budget) as (modest, second):
        first.send(bytes(1_000_000))
        await until(lambda: bool(greedy.replies))
        second.send(b"1", b"2")
        await until(lambda: bool(modest.replies))
        second.send(b"3")
        await until(lambda: "paused" in repr(modest.connection))
        answer(greedy.replies[0])
        await until(lambda: len(modest.replies) == 3)
        assert "reading" in repr(modest.connection)


async def test_a_lost_connection_gives_its_bytes_back() -> None:
    budget = Budget(1_000_000)
    async with connected(budget=budget) as (client, wire):
        wire.send(bytes(2_000_000))
        await until(lambda: bool(client.replies))
        assert budget.exhausted
    assert repr(budget) == "<Budget 0/1000000 waiting=0>"


async def test_a_peer_that_reads_nothing_is_not_written_to_without_end() -> None:
    async with connected() as (client, wire):
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.send(*[b"x"] * 50)
        await until(lambda: len(client.replies) == 50)
        for reply in client.replies:
            reply.future.set_result([sized(bytes(1_000_000))])
        await until(lambda: "requests=50" not in repr(client.connection))
        await asyncio.sleep(0)
        assert "requests=0" not in repr(client.connection)
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert [len(await wire.receive()) for _ in range(50)] == [1_000_000] * 50


async def test_finish_answers_what_was_taken_and_takes_nothing_more() -> None:
    async with connected() as (client, wire):
        wire.send(b"1", b"2")
        await until(lambda: len(client.replies) == 2)
        client.connection.finish()
        client.connection.finish()
        wire.send(b"3")
        answer(client.replies[1])
        answer(client.replies[0])
        assert [await wire.receive(), await wire.receive()] == [b"re:1", b"re:2"]
        assert await wire.is_closed()
        assert len(client.replies) == 2


async def test_finish_just_after_the_connection_broke_does_no_harm() -> None:
    async with connected() as (client, wire):
        wire.send(b"1")
        await until(lambda: bool(client.replies))
        answer(client.replies[0])
        client.connection.abort()
        client.connection.finish()
        await client.connection.wait_closed()
        assert await wire.is_closed()


async def test_answers_that_are_ready_together_leave_together() -> None:
    async with connected() as (client, wire):
        wire.send(*[b"%d" % n for n in range(50)])
        await until(lambda: len(client.replies) == 50)
        written = list[int]()
        transport = client.connection._transport
        client.connection._transport = Counting(transport, written)  # type: ignore[assignment]
        for reply in client.replies:
            answer(reply)
        assert [await wire.receive() for _ in range(50)] == [b"re:%d" % n for n in range(50)]
        assert written == [50]
        client.connection._transport = transport


async def test_closing_is_not_held_up_for_ever_by_a_peer_that_reads_nothing() -> None:
    async with connected(Limits(linger_s=0.01)) as (client, wire):
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        wire.send(b"1", b"bad")
        await until(lambda: bool(client.errors))
        client.replies[0].future.set_result([sized(bytes(50_000_000))])
        await client.gone.wait()


@pytest.mark.parametrize("limit", [1, 10])
def test_a_budget_tells_those_who_wait_once_and_in_order(limit: int) -> None:
    budget, told = Budget(limit), list[str]()
    budget.take(limit + 5)
    for name in ("a", "b", "c"):
        budget.tell(lambda name=name: told.append(name))  # type: ignore[misc]
    budget.give(5)
    assert told == []
    budget.give(1)
    assert told == ["a", "b", "c"]
    budget.give(limit - 1)
    assert told == ["a", "b", "c"]


async def test_a_large_request_counts_as_it_grows_and_not_as_it_was_announced() -> None:
    budget = Budget(10**9)
    async with connected(Limits(), budget) as (client, wire):
        wire.writer.write(struct.pack(">i", 90_000_000) + bytes(20_000))
        await until(lambda: budget.used > 0)
        assert 20_000 <= budget.used <= 200_000
        wire.writer.write(bytes(1_980_000))
        await until(lambda: budget.used >= 2_000_000)
        assert budget.used <= 4_000_000
        wire.writer.transport.abort()
        await client.gone.wait()
    assert budget.used == 0


async def test_when_it_is_whole_it_counts_once() -> None:
    budget = Budget(10**9)
    async with connected(budget=budget) as (client, wire):
        wire.send(bytes(3_000_000))
        await until(lambda: bool(client.replies))
        assert budget.used == 3_000_000
        answer(client.replies[0])
        await wire.receive()
        assert budget.used == 0


async def test_many_unfinished_requests_stop_at_the_budget_and_are_finished_one_after_the_other() -> None:
    """Each has sent a part; all of them together are more than may be held."""
    size, count = 3_000_000, 10
    budget = Budget(8_000_000, reserve=size)
    async with AsyncExitStack() as stack:
        ends = [await stack.enter_async_context(connected(budget=budget)) for _ in range(count)]
        for _, wire in ends:
            wire.writer.write(sized(bytes(size)))
        await until(lambda: any(client.replies for client, _ in ends))
        answered = list[Client]()
        while len(answered) < count:
            await until(lambda: any(client.replies for client, _ in ends if client not in answered))
            for client, _ in ends:
                if client.replies and client not in answered:
                    assert budget.used <= 8_000_000 + 2 * size + count * 20_000
                    answer(client.replies[0])
                    answered.append(client)
        for _, wire in ends:
            assert len(await wire.receive()) == size + 3
    assert repr(budget) == "<Budget 0/8000000 waiting=0>"


async def test_who_goes_in_the_middle_of_a_request_makes_room_for_the_next_to_finish() -> None:
    budget = Budget(2_000_000, reserve=3_000_000)
    async with connected(budget=budget) as (_, first), connected(budget=budget) as (other, second):
        for wire in (first, second):
            wire.writer.write(sized(bytes(3_000_000))[:1_500_000])
        await until(lambda: budget.exhausted)
        first.writer.transport.abort()  # whether it was its turn, or is noticed when it is
        second.writer.write(bytes(3_000_004 - 1_500_000))
        await until(lambda: bool(other.replies))
        assert len(other.replies[0].request) == 3_000_000


SCENARIOS = [value for value in list(globals().values()) if inspect.iscoroutinefunction(value)]


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.__name__.startswith("test_")])
def test_the_same_on_uvloop(scenario: Callable[[], Coroutine[object, object, None]]) -> None:
    """The server runs on uvloop, whose transports are its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
