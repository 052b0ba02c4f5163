"""The operator of a round does what kov's log says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adversity.janitor import Janitor
from tests.waiting import wait_for
from varlog_client import Admin, Log, Sealed
from varlog_lite.server import LiteServer

_SAID = (
    "12:00:00.000 WARNING kov.partition.ownership: <Partition t/0 OPENING>: "
    "log stream {} of Varlog topic {} runs and answers no append: a slow disk, or it is stuck; {}\n"
)


@pytest.mark.parametrize(
    ("unseals", "says"), [(True, "seal and unseal it if this lasts"), (False, "kov seals and unseals it")]
)
async def test_what_kov_calls_stuck_is_sealed_and_unsealed_where_that_is_the_operators(
    tmp_path: Path, *, unseals: bool, says: str
) -> None:
    async with LiteServer(tmp_path) as server, await Admin.connect(server.address) as admin:
        topic = (await admin.add_topic()).topic_id
        log_stream = (await admin.add_log_stream(topic)).log_stream_id
        async with await Log.open(1, [server.address]) as log:
            appender = log.appender(topic, log_stream)
            await appender.append([b"before"])
            janitor = Janitor(server.address, server.address, unseals=unseals, patience_s=0.0)
            janitor.places.append((topic, log_stream))
            janitor.left_sealed.add((topic, log_stream))
            janitor.logs.append(tmp_path / "kov.log")
            (tmp_path / "kov.log").write_text(_SAID.format(log_stream, topic, says))
            janitor.start()
            if unseals:
                await wait_for(lambda: janitor.sealed == [(topic, log_stream)])
                with pytest.raises(Sealed):
                    await appender.append([b"sealed"])
                janitor.left_sealed.clear()
            for _ in range(2):
                await janitor.all_running()
            assert (appender.broken is not None) == unseals
            assert await log.append_to(topic, log_stream, [b"after"])
            await janitor.close()
            await appender.close()
