"""When a sealed log stream is unsealed, and what is said about it. No storage: what it tells is made up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Self, cast

import pytest

from kov.partition import unsealing
from kov.partition.stream import Stream
from kov.partition.unsealing import Unsealer
from tests.kov.partition.scripted import LOG_STREAM_ID, TOPIC_ID, ScriptedLog
from tests.simulation.loop import run
from varlog_client import Log
from varlog_client.errors import Unavailable
from varlog_client.types import ClusterMetadata, LogStreamId, LogStreamState, LogStreamStatus, TopicId

SEALED, RUNNING = LogStreamStatus.SEALED, LogStreamStatus.RUNNING


class Storage:
    """What metadata and replicas say of the log stream, and what the admin server was asked to unseal."""

    def __init__(self) -> None:
        self.replicas = ScriptedLog()
        self.replicas.sealed = True
        self.known = replace(self.replicas.metadata.log_streams[LOG_STREAM_ID], status=SEALED)
        self.absent = False
        self.away = False
        self.unsealed: list[tuple[TopicId, LogStreamId]] = []
        self.sealed: list[tuple[TopicId, LogStreamId]] = []
        self.addresses: list[str] = []

    async def refresh(self) -> ClusterMetadata:
        return ClusterMetadata(version=1, log_streams={} if self.absent else {LOG_STREAM_ID: self.known})

    async def peek(self, topic_id: TopicId, log_stream_id: LogStreamId) -> LogStreamState:
        return await self.replicas.peek(topic_id, log_stream_id)

    async def connect(self, address: str) -> Self:
        """As the admin server's client."""
        if self.away:
            raise Unavailable("the admin server doesn't answer")
        self.addresses.append(address)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def unseal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        self.unsealed.append((topic_id, log_stream_id))

    async def seal(self, topic_id: TopicId, log_stream_id: LogStreamId) -> None:
        self.sealed.append((topic_id, log_stream_id))


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Storage:
    made = Storage()
    monkeypatch.setattr(unsealing, "Admin", made)
    monkeypatch.setattr(unsealing, "SETTLED_S", 0.0)
    return made


async def consider(storage: Storage, unsealer: Unsealer | None = None) -> int:
    """How often it was unsealed so far."""
    stream = Stream(cast("Log", storage), TOPIC_ID, LOG_STREAM_ID)
    await (unsealer or Unsealer("admin:1")).consider(stream)
    return len(storage.unsealed)


async def test_a_log_stream_that_all_call_sealed_is_unsealed(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", unsealing.__name__)
    assert await consider(storage) == 1
    assert storage.unsealed == [(TOPIC_ID, LOG_STREAM_ID)]
    assert storage.addresses == ["admin:1"]
    assert [record.message for record in caplog.records] == ["unsealing log stream 1 of Varlog topic 1"]


async def test_while_a_replica_isnt_sealed_nothing_is_unsealed(storage: Storage) -> None:
    storage.replicas.sealed = False
    assert await consider(storage) == 0


async def test_what_the_metadata_doesnt_call_sealed_is_left_alone(storage: Storage) -> None:
    storage.known = replace(storage.known, status=RUNNING)
    assert await consider(storage) == 0
    storage.absent = True
    assert await consider(storage) == 0


async def test_after_each_change_the_metadata_must_be_seen_twice(storage: Storage) -> None:
    unsealer = Unsealer("admin:1")
    storage.replicas.sealed = False
    assert await consider(storage, unsealer) == 0
    storage.replicas.sealed = True
    for _ in range(2):
        storage.known = replace(storage.known, replicas=storage.known.replicas[::-1])
        assert await consider(storage, unsealer) == 0, "the replicas have changed"
    assert await consider(storage, unsealer) == 1


async def test_an_admin_server_that_is_away_is_said_and_asked_again_later(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    unsealer = Unsealer("admin:1")
    storage.away = True
    assert await consider(storage, unsealer) == 0
    said = "log stream 1 of Varlog topic 1 can't be unsealed: the admin server doesn't answer"
    assert said in [record.message for record in caplog.records]
    storage.away = False
    assert await consider(storage, unsealer) == 1


async def seal(storage: Storage, unsealer: Unsealer) -> int:
    """How often it was sealed so far."""
    await unsealer.seal(Stream(cast("Log", storage), TOPIC_ID, LOG_STREAM_ID))
    return len(storage.sealed)


async def test_what_seems_stuck_is_sealed_once_a_minute(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    """A slow disk looks the same, and a seal doesn't make it faster."""
    unsealer = Unsealer("admin:1")
    assert await seal(storage, unsealer) == 1
    assert storage.sealed == [(TOPIC_ID, LOG_STREAM_ID)]
    assert storage.addresses == ["admin:1"]
    assert [record.message for record in caplog.records] == [
        "sealing log stream 1 of Varlog topic 1, which seems stuck"
    ]
    assert await seal(storage, unsealer) == 1


def test_what_stays_stuck_is_sealed_again_after_a_minute(storage: Storage) -> None:
    """From the very first second of the clock, which is that of the machine."""

    async def main() -> None:
        unsealer = Unsealer("admin:1")
        for later_s, sealed in ((0, 1), (59, 1), (1, 2), (59, 2), (1, 3)):
            await asyncio.sleep(later_s)
            assert await seal(storage, unsealer) == sealed

    run(1, main())


async def test_each_log_stream_that_seems_stuck_is_sealed(storage: Storage) -> None:
    unsealer = Unsealer("admin:1")
    await seal(storage, unsealer)
    await unsealer.seal(Stream(cast("Log", storage), TOPIC_ID, LogStreamId(2)))
    assert storage.sealed == [(TOPIC_ID, LOG_STREAM_ID), (TOPIC_ID, 2)]


async def test_a_seal_that_the_admin_server_does_not_answer_is_said(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    storage.away = True
    assert await seal(storage, Unsealer("admin:1")) == 0
    assert caplog.records[-1].message == (
        "log stream 1 of Varlog topic 1 can't be sealed: the admin server doesn't answer"
    )


async def test_a_log_stream_runs_when_metadata_and_all_replicas_say_so(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(cast("Log", storage), TOPIC_ID, LOG_STREAM_ID)
    assert not await stream.runs()
    storage.known = replace(storage.known, status=RUNNING)
    assert not await stream.runs(), "a replica is sealed"
    storage.replicas.sealed = False
    assert await stream.runs()
    storage.known = replace(storage.known, replicas=storage.known.replicas * 2)
    assert not await stream.runs(), "a replica didn't answer"
    storage.absent = True
    assert not await stream.runs()

    async def unanswered(*_: object) -> LogStreamState:
        raise Unavailable("nobody answers")

    storage.absent = False
    monkeypatch.setattr(storage, "peek", unanswered)
    assert not await stream.runs()
