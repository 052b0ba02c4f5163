"""Varlog's own command-line programs, against varlog_lite and against a real cluster: they print the same.

What is different by nature (addresses, times, directories, sizes) is replaced by its type.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Protocol, TypeAlias

import pytest

from tests.lite_varlog import start_lite_varlog
from tests.real_varlog import missing_programs, start_real_varlog

pytestmark = pytest.mark.real

PROGRAMS = ("varlogctl", "varlogcli")
_missing = [program for program in PROGRAMS if shutil.which(program) is None]
needs_programs = pytest.mark.skipif(
    bool(_missing), reason=f"needs Varlog's command-line programs on PATH; missing: {', '.join(_missing)}"
)

VOLATILE = {
    *("address", "createTime", "createdTime", "dataPath", "lastHeartbeatTime", "nodeId", "path", "raftURL"),
    *("rpcAddr", "startTime", "storageNodePath", "storageSizeBytes", "total", "used", "version"),
}
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"


class Cluster(Protocol):
    @property
    def metadata_repository(self) -> str: ...
    @property
    def admin(self) -> str: ...


def typed(value: Json, key: str = "") -> Json:
    if isinstance(value, dict):
        return {name: typed(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner, key) for inner in value]
    return type(value).__name__ if key in VOLATILE else value


def comparable(text: str) -> str:
    """The program's output without what is different by nature."""
    text = text.strip()
    if text.startswith("panic: "):
        return text.partition("\n")[0]
    if text.startswith(("{", "[")):
        return json.dumps(typed(json.loads(text)), separators=(",", ":"))
    text = re.sub(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", text, flags=re.MULTILINE)
    text = re.sub(r'_path:"[^"]*"', "_path:str", text)
    return re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text)


async def run(*command: str, stdin: bytes = b"") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(90):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, (out + err).decode()


async def control(cluster: Cluster, words: str) -> str:
    """One varlogctl command as one line: the words, the exit status, what was printed."""
    address = cluster.metadata_repository
    arguments = words.replace("NODE", getattr(cluster, "nodes", {1: address})[1]).split()
    command = ("varlogctl", *arguments, "--admin", cluster.admin, "--timeout", "60s")
    status, text = await run(*command)
    while '"sealing"' in text:  # a storage node may need a moment
        status, text = await run(*command)
    return f"{words} [{status}] {comparable(text)}"


async def subscribe(cluster: Cluster, count: int) -> list[str]:
    """The first lines; the program itself never ends."""
    command = ("subscribe", "--metadata-repository-address", cluster.metadata_repository, "--tpid", "1")
    process = await asyncio.create_subprocess_exec("varlogcli", *command, stdout=PIPE, stderr=PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            lines = [await process.stderr.readline() for _ in range(count)]
    finally:
        process.kill()
        await process.wait()
    return [f"subscribe [killed] {comparable(line.decode())}" for line in lines]


async def transcript(cluster: Cluster, steps: list[str]) -> list[str]:
    said: list[str] = []
    for words in steps:
        if words.startswith("append"):
            options = ("--metadata-repository-address", cluster.metadata_repository, *words.split()[1:])
            status, text = await run("varlogcli", "append", *options, stdin=b"a\nbb\nccc\n")
            said.append(f"{words} [{status}] {comparable(text)}")
        elif words != "subscribe":
            said.append(await control(cluster, words))
        elif said[-1].startswith("append"):
            said += await subscribe(cluster, steps.count("subscribe"))
    return said


NODE_LINE = (
    '"clusterId":1,"storageNodeId":1,"address":"str","storages":[{"path":"str","used":"int","total":"int"}],'
    '"logStreamReplicas":REPLICAS,"startTime":"str","createTime":"str","lastHeartbeatTime":"str"'
)
STREAM_LINE = (
    '{"topicId":1,"logStreamId":1,STATUS"replicas":'
    '[{"storageNodeId":1,"storageNodePath":"str","dataPath":"str"}]}'
)
RUNNING = STREAM_LINE.replace("STATUS", "")
SEALED = STREAM_LINE.replace("STATUS", '"status":"sealed",')
SEALED_REPLICA = (
    '{"storageNodeId":1,"topicId":1,"logStreamId":1,"status":"sealed","globalHighWatermark":0,'
    '"localLowWatermark":{},"localHighWatermark":{"glsn":3},"path":"str","createdTime":"str",'
    '"updatedTime":"0001-01-01T00:00:00Z"}'
)
BUSY = "unregister storage node: non-idle replicas: storage_node_id:1 storage_node_path:str data_path:str"

BOTH = f"""
sn get [0] [{{{NODE_LINE.replace("REPLICAS", "[]")}}}]
sn get --snid 1 [0] {{{NODE_LINE.replace("REPLICAS", "[]")}}}
sn get --snid 9 [255] admin: get storage node: not exist
sn add --snid 1 --addr NODE [0] {{{NODE_LINE.replace("REPLICAS", "null")}}}
topic get [0] []
topic get --tpid 9 [255] admin: get topic: not exist
topic add [0] {{"topicId":1,"status":0}}
topic get [0] [{{"topicId":1,"status":0}}]
topic get --tpid 1 [0] {{"topicId":1,"status":0}}
ls add --tpid 1 [0] {RUNNING}
ls add --tpid 9 [255] rpc error: code = NotFound desc = add log stream: rpc error: code = NotFound desc = \
topic 9 is not found
ls get --tpid 1 [0] [{RUNNING}]
ls describe --tpid 1 --lsid 1 [0] {RUNNING}
ls describe --tpid 1 [0] [{RUNNING}]
ls get --tpid 9 [255] admin: list log streams: rpc error: code = NotFound desc = list log streams: \
no such topic: tpid 9
ls recover --tpid 1 --lsid 1 [2] panic: not implemented
sn describe --snid 9 [255] admin: get storage node: not exist
topic describe --tpid 1 [0] {{"topicId":1,"status":0,"logStreams":[1]}}
mr describe [0] [{{"nodeId":"int","raftURL":"str","rpcAddr":"str","leader":true,"learner":false}}]
mr get [0] [{{"nodeId":"int","raftURL":"str","rpcAddr":"str","leader":true,"learner":false}}]
append --tpid 1 --lsid 1 [0] appended messages=3
subscribe [killed] Subscribe: a ({{LogEntryMeta:{{TopicID:0 LogStreamID:0 GLSN:1 LLSN:1}} Data:[97]}})
subscribe [killed] Subscribe: bb ({{LogEntryMeta:{{TopicID:0 LogStreamID:0 GLSN:2 LLSN:2}} Data:[98 98]}})
subscribe [killed] Subscribe: ccc ({{LogEntryMeta:{{TopicID:0 LogStreamID:0 GLSN:3 LLSN:3}} Data:[99 99 99]}})
ls seal --tpid 1 --lsid 1 [0] {{"logStreams":[{SEALED_REPLICA}],"sealedGLSN":3}}
ls get --tpid 1 --lsid 1 [0] {SEALED}
ls seal --tpid 1 --lsid 9 [255] rpc error: code = NotFound desc = ls 9
ls unseal --tpid 1 --lsid 1 [0] {RUNNING}
ls unseal --tpid 1 --lsid 9 [255] rpc error: code = Unknown desc = log stream: not exist
mr remove --raft-url http://127.0.0.1:5 [255] rpc error: code = NotFound desc = mrmcl: rpc error: \
code = NotFound desc = node 9151314447112142848
sn remove --snid 1 --addr NODE [255] rpc error: code = FailedPrecondition desc = {BUSY}
sn remove --snid 7 --addr NODE [0] {{}}
topic remove --tpid 1 [0] {{}}
topic remove --tpid 1 [255] rpc error: code = Unknown desc = storage node: not exist
"""

ALONE = f"""
topic add [0] {{"topicId":1,"status":0}}
ls add --tpid 1 [0] {RUNNING}
sn add --snid 2 --addr 127.0.0.1:1 [255] REFUSED it takes no further storage nodes
mr add --raft-url http://127.0.0.1:5 --rpc-addr 127.0.0.1:6 [255] REFUSED it takes no further metadata \
repositories
ls sync --tpid 1 --lsid 1 --src 1 --dst 2 [255] REFUSED there is no other replica to copy to
""".replace("REFUSED", "rpc error: code = FailedPrecondition desc = varlog-lite is a single node:")


async def check(cluster: Cluster, expected: str) -> None:
    """`expected` has what is typed, the exit status and what is printed, a line each."""
    lines = expected.strip().splitlines()
    steps = [line.partition(" [")[0] for line in lines]
    assert await transcript(cluster, steps) == lines


async def offered(*program: str) -> list[list[str]]:
    """The commands that it names in its help, each with its other names."""
    _, text = await run(*program, "--help")
    listed = text.partition("COMMANDS:\n")[2].partition("\n\n")[0].splitlines()
    names = [re.split(r"\s{2,}", line.strip())[0].split(", ") for line in listed]
    return [each for each in names if "help" not in each]


@needs_programs
async def test_every_command_they_have_is_tried() -> None:
    tried = {tuple(line.split()[:2]) for line in (BOTH + ALONE).splitlines() if line}
    groups = await offered("varlogctl")
    assert len(groups) == 4
    for group in groups:
        commands = [name for names in await offered("varlogctl", group[0]) for name in names]
        assert len(commands) > 3
        missed = [each for each in commands if not tried & {(alias, each) for alias in group}]
        assert (group, missed) == (group, [])
    assert await offered("varlogcli") == [["append"], ["subscribe"]]
    assert {"append", "subscribe"} <= {each[0] for each in tried}


@needs_programs
async def test_they_print_of_varlog_lite_what_they_print_of_a_cluster(tmp_path: Path) -> None:
    async with start_lite_varlog(tmp_path / "lite") as cluster:
        await check(cluster, BOTH)


@needs_programs
@pytest.mark.slow
@pytest.mark.skipif(missing_programs() is not None, reason=str(missing_programs()))
async def test_they_print_that_of_a_cluster(tmp_path: Path) -> None:
    async with start_real_varlog(tmp_path / "real") as cluster:
        await check(cluster, BOTH)


@needs_programs
async def test_what_needs_a_second_node_is_told_to_the_user(tmp_path: Path) -> None:
    async with start_lite_varlog(tmp_path / "lite") as cluster:
        await check(cluster, ALONE)
