"""`kov check`: does the cluster have what the mapping file names, and what is to be done where it doesn't."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from kov.config import Config, VarlogConfig
from kov.errors import CannotStart
from varlog_client import Admin, Log
from varlog_client.errors import NotFound, VarlogError
from varlog_client.types import LogStreamId, LogStreamState, LogStreamStatus, TopicId

_OPEN_TIMEOUT_S: Final = 5.0
_ASKED_AT_ONCE: Final = 32
_RUNNING: Final = LogStreamStatus.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A log stream that the file names, and where."""

    path: str
    topic_id: TopicId
    log_stream_id: LogStreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    path: str
    wrong: str
    to_do: str


async def check(config: Config) -> bool:
    """Whether all is well; says so, or what is not, on stdout. Raises CannotStart without the cluster."""
    assert config.varlog is not None, "a mapping file names its cluster"
    say_file_is_well(config)
    findings = await findings_in(config, config.varlog)
    if findings:
        console = Console()
        console.print(_table(findings) if console.is_terminal else _lines(findings), soft_wrap=True)
        return False
    typer.echo(f"{len(list(places(config)))} log streams exist and are running")
    return True


def say_file_is_well(config: Config) -> None:
    partitions = sum(len(topic.log_streams) for topic in config.topics)
    typer.echo(f"{config.source}: {len(config.topics)} topics, {partitions} partitions: well-formed")


def places(config: Config) -> Iterator[Place]:
    for topic in config.topics:
        for index, log_stream_id in enumerate(topic.log_streams):
            path = f"topics.{topic.name}.partitions[{index}]"
            yield Place(path=path, topic_id=topic.topic_id, log_stream_id=log_stream_id)
    if config.catalog is not None:
        yield Place(
            path="catalog", topic_id=config.catalog.topic_id, log_stream_id=config.catalog.log_stream_id
        )


async def findings_in(config: Config, varlog: VarlogConfig) -> list[Finding]:
    """What is wrong in the cluster, in the order of the file. Raises CannotStart if it can't be reached."""
    try:
        log = await Log.open(varlog.cluster_id, varlog.metadata_repositories, open_timeout_s=_OPEN_TIMEOUT_S)
    except VarlogError as error:
        raise CannotStart(
            f"the Varlog cluster can't be reached, so its log streams were not checked: {error}; "
            f"start it, or correct varlog.metadata_repositories in {config.source}"
        ) from None
    async with log:
        found = await _look_everywhere(log, list(places(config)), varlog.admin or "ADMIN")
    if varlog.admin is not None:
        found.extend(await _look_at_admin(varlog.admin))
    return found


async def _look_everywhere(log: Log, all_places: list[Place], admin: str) -> list[Finding]:
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("asking for log streams", total=len(all_places))
        looks = (_look(log, place, admin, turns, progress, task) for place in all_places)
        found = await asyncio.gather(*looks)
    return [finding for finding in found if finding is not None]


async def _look(
    log: Log, place: Place, admin: str, turns: asyncio.Semaphore, progress: Progress, task: TaskID
) -> Finding | None:
    async with turns:
        problem = await _problem(log, place, admin)
    progress.advance(task)
    return Finding(path=place.path, wrong=problem[0], to_do=problem[1]) if problem else None


async def _problem(log: Log, place: Place, admin: str) -> tuple[str, str] | None:
    known = log.metadata.log_streams.get(place.log_stream_id)
    if known is None:
        return (
            f"log stream {place.log_stream_id} does not exist",
            f"write one that exists, or make one: varlogctl ls add --tpid {place.topic_id} --timeout 60s "
            f"--admin {admin}",
        )
    if known.topic_id != place.topic_id:
        return (
            f"log stream {place.log_stream_id} is not in Varlog topic {place.topic_id}",
            f"it lies in Varlog topic {known.topic_id}: write that topic_id, or another log stream",
        )
    try:
        state = await log.peek(place.topic_id, place.log_stream_id)
    except NotFound:
        return f"no storage node has log stream {place.log_stream_id}", "look at it: varlogctl ls get"
    except VarlogError as error:
        return f"log stream {place.log_stream_id} does not answer: {error}", "start its storage nodes"
    every_replica = len(state.replicas) == len(known.replicas)
    if every_replica and all(
        each is _RUNNING for each in (known.status, *(r.status for r in state.replicas))
    ):
        return None
    return _not_running(place, state, known.status, admin)


def _not_running(place: Place, state: LogStreamState, status: LogStreamStatus, admin: str) -> tuple[str, str]:
    replicas = ", ".join(f"node {each.storage_node_id} {each.status.name}" for each in state.replicas)
    wrong = f"log stream {place.log_stream_id} is not running ({status.name}; {replicas})"
    if state.sealed:
        where = f"--tpid {place.topic_id} --lsid {place.log_stream_id} --admin {admin}"
        return wrong, f"unseal it: varlogctl ls unseal {where}"
    return wrong, "wait until every replica is SEALED, then unseal it; start storage nodes that are down"


async def _look_at_admin(address: str) -> list[Finding]:
    try:
        async with await Admin.connect(address) as admin:
            await admin.list_topics()
    except VarlogError as error:
        return [Finding(path="varlog.admin", wrong=str(error), to_do="start it, or correct the address")]
    return []


def _lines(findings: list[Finding]) -> Text:
    return Text("\n".join(f"{each.path}: {each.wrong}; {each.to_do}" for each in findings))


def _table(findings: list[Finding]) -> Table:
    table = Table("where", "what is wrong", "what to do", show_lines=True)
    for each in findings:
        table.add_row(Text(each.path), Text(each.wrong), Text(each.to_do))
    return table
