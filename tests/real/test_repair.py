"""`kov repair` where a real cluster was trimmed too far."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.clients.consumers import read_with_confluent
from tests.clients.stage import MappedStage, mapped_stage
from tests.kov_process import ROOT
from tests.real_varlog import RealVarlog, missing_programs
from varlog_client import GLSN, Admin

if reason := missing_programs():
    pytest.skip(reason, allow_module_level=True)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]
TOPIC = "mapped-0"


@pytest.fixture
def own_stage(real_varlog: RealVarlog, tmp_path: Path) -> Iterator[MappedStage]:
    with mapped_stage(tmp_path, real_varlog, topics=1) as stage:
        yield stage


def produce(stage: MappedStage, *values: bytes, timeout_s: float = 20.0) -> list[int | None]:
    """The offset of each, one batch after the other; None for what was not stored in time."""
    told: list[int | None] = []
    producer = Producer(
        {"bootstrap.servers": stage.bootstrap, "message.timeout.ms": int(timeout_s * 1000), "log_level": 2}
    )
    for value in values:
        producer.produce(
            TOPIC, value, partition=0, on_delivery=lambda error, m: told.append(None if error else m.offset())
        )
        producer.flush()
    return told


def repair(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kov", "repair", str(file), f"{TOPIC}/0", "--yes"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def test_a_partition_that_was_trimmed_too_far_is_refused_repaired_and_read_on(
    real_varlog: RealVarlog, own_stage: MappedStage, tmp_path: Path
) -> None:
    values = [b"%d" % n for n in range(10)]
    assert await asyncio.to_thread(produce, own_stage, *values) == list(range(10))
    own_stage.kov.stop()
    place = own_stage.places[TOPIC]
    async with await Admin.connect(real_varlog.admin) as admin:
        # The fence and the first three batches: of this topic no other log stream has entries.
        trimmed = await admin.trim(place.topic_id, GLSN(4))
    assert not any(each.error for each in trimmed if each.log_stream_id == place.log_streams[0])

    own_stage.kov.start()
    assert await asyncio.to_thread(produce, own_stage, b"refused", timeout_s=3.0) == [None]
    file = tmp_path / "mapping.yaml"
    assert f"kov repair {file} {TOPIC}/0" in own_stage.kov.log.read_text()

    done = await asyncio.to_thread(repair, file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "7 batches, offsets 3 to 9" in done.stdout
    assert "it goes on at offset 10" in done.stdout

    assert await asyncio.to_thread(produce, own_stage, b"after", timeout_s=60.0) == [10]
    read = await read_with_confluent(own_stage.bootstrap, TOPIC, {0: 3})
    assert [(each.offset, each.contents.value) for each in read] == [
        *enumerate(values[3:], 3),
        (10, b"after"),
    ]
