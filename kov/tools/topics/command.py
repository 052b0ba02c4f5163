"""`kov topics`: the topics there are, and how each of their partitions is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kov.config import Config
from kov.tools import opening
from kov.tools.tables import show
from kov.tools.topics import report
from kov.tools.topics.gathering import PartitionFacts, gather
from kov.topics import Topic


async def show_topics(config: Config, data: Path | None, *, names: Sequence[str], as_json: bool) -> bool:
    """Prints all topics, or those of `names`. Whether every partition can be used.

    Raises ConfigError for a name that no topic has, CannotStart where the cluster can't be reached.
    """
    async with opening.opened(config, data) as cluster:
        topics = [cluster.topic(name) for name in names] if names else cluster.topics
        partitions = await _gather(cluster, topics)
    if as_json:
        typer.echo(json.dumps({"topics": report.facts(topics, partitions)}))
    else:
        if partitions:
            show(report.COLUMNS, [report.row(each) for each in partitions])
        typer.echo(report.summary(topics, partitions))
        for each in partitions:
            if each.problem:
                typer.echo(f"{each.topic.name}/{each.index}: {each.problem}")
    return not any(each.problem for each in partitions)


async def _gather(cluster: opening.Cluster, topics: Sequence[Topic]) -> list[PartitionFacts]:
    count = sum(len(topic.log_streams) for topic in topics)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    with Progress(*columns, transient=True, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading partitions", total=count)
        return await gather(cluster, topics, lambda: progress.advance(task))
