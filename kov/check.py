"""`kov check`: does the cluster have what the mapping file names, and what is to be done where it doesn't."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from kov.check_contents import Contents, Problem, of_catalog_and_file
from kov.config import CatalogConfig, Config, VarlogConfig
from kov.config.problems import BadFile, render_path
from kov.errors import CannotStart, ConfigError
from kov.tools.tables import counted
from kov.topics import Topic
from varlog_client import Admin, Log
from varlog_client.errors import NotFound, VarlogError
from varlog_client.types import LogStreamId, LogStreamState, LogStreamStatus, TopicId

_OPEN_TIMEOUT_S: Final = 5.0
_ASKED_AT_ONCE: Final = 32
_RUNNING: Final = LogStreamStatus.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A log stream that the file names, and where: as a partition of `topic`, or as the catalog."""

    path: str
    topic_id: TopicId
    log_stream_id: LogStreamId
    topic: Topic | None = None
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    path: str
    wrong: str
    to_do: str


async def check(config: Config, *, as_json: bool = False) -> bool:
    """Whether all is well; says so, or what is not, on stdout. Raises CannotStart without the cluster."""
    assert config.varlog is not None, "a mapping file names its cluster"
    if not as_json:
        say_file_is_well(config)
    findings = await findings_in(config, config.varlog)
    if as_json:
        typer.echo(json.dumps(facts(config) | {"findings": [asdict(each) for each in findings]}))
        return not findings
    if findings:
        console = Console()
        console.print(_table(findings) if console.is_terminal else _lines(findings), soft_wrap=True)
        return False
    typer.echo(f"{counted(len(list(places(config))), 'log stream')} exist, run and hold what they should")
    return True


def facts(config: Config) -> dict[str, object]:
    """For programs: what the file says."""
    return {
        "file": config.source,
        "topics": len(config.topics),
        "partitions": sum(len(topic.log_streams) for topic in config.topics),
    }


def say_file_is_well(config: Config, *, as_json: bool = False) -> None:
    if as_json:
        typer.echo(json.dumps(facts(config) | {"findings": []}))
        return
    partitions = sum(len(topic.log_streams) for topic in config.topics)
    topics = counted(len(config.topics), "topic")
    typer.echo(f"{config.source}: {topics}, {counted(partitions, 'partition')}: well-formed")


def say_refused(file: str, error: ConfigError) -> None:
    """For programs: the same as people are told of a file, or of a cluster, that can't be looked at."""
    mistakes = (
        [(render_path(each.problem.path), each.problem.text) for each in error.problems]
        if isinstance(error, BadFile)
        else [("varlog" if isinstance(error, CannotStart) else "", str(error))]
    )
    findings = [_finding(path, text) for path, text in mistakes]
    typer.echo(json.dumps({"file": file, "findings": [asdict(each) for each in findings]}))


def _finding(path: str, text: str) -> Finding:
    wrong, _, to_do = text.rpartition("; ") if text.count("; ") > 1 else text.partition("; ")
    return Finding(path=path, wrong=wrong, to_do=to_do)


def places(config: Config) -> Iterator[Place]:
    for topic in config.topics:
        for index, log_stream_id in enumerate(topic.log_streams):
            path = f"topics.{topic.name}.partitions[{index}]"
            yield Place(
                path=path,
                topic_id=topic.topic_id,
                log_stream_id=log_stream_id,
                topic=topic,
                index=index,
            )
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
        contents = Contents(log, config, varlog)
        found = await _look_everywhere(log, contents, list(places(config)), varlog.admin or "ADMIN")
        if config.catalog is not None and all(each.path != "catalog" for each in found):
            quarrels = await of_catalog_and_file(log, config, config.catalog)
            found.extend(Finding(path=path, wrong=wrong, to_do=to_do) for path, wrong, to_do in quarrels)
    if varlog.admin is not None:
        found.extend(await _look_at_admin(varlog.admin))
    return found


async def _look_everywhere(
    log: Log, contents: Contents, all_places: list[Place], admin: str
) -> list[Finding]:
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("asking for log streams", total=len(all_places))

        async def look(place: Place) -> Problem | None:
            async with turns:
                problem = await _problem(log, place, admin) or await _inside(contents, place)
            progress.advance(task)
            return problem

        problems = await asyncio.gather(*(look(place) for place in all_places))
    return [
        Finding(path=place.path, wrong=problem[0], to_do=problem[1])
        for place, problem in zip(all_places, problems, strict=True)
        if problem is not None
    ]


async def _inside(contents: Contents, place: Place) -> Problem | None:
    try:
        if place.topic is not None:
            return await contents.of_partition(place.topic, place.index)
        return await contents.of_catalog(
            CatalogConfig(topic_id=place.topic_id, log_stream_id=place.log_stream_id)
        )
    except VarlogError as error:
        return f"log stream {place.log_stream_id} can't be read: {error}", "look at its storage nodes"


async def _problem(log: Log, place: Place, admin: str) -> Problem | None:
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


def _not_running(place: Place, state: LogStreamState, status: LogStreamStatus, admin: str) -> Problem:
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
