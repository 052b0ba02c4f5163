"""The topics that `kov map` adds: found in the cluster, or made in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import typer
from rich.console import Console

from kov.catalog.making import make_topic, remove_topic
from kov.errors import CannotStart, ConfigError
from kov.tools.mapping import survey
from kov.tools.mapping.order import Existing, Order, Place
from kov.tools.mapping.text import Mapped
from kov.tools.tables import counted
from varlog_client import Admin, Log
from varlog_client.errors import VarlogError
from varlog_client.types import LogStreamId, TopicId

_OPEN_TIMEOUT_S: Final = 5.0


async def find(order: Order, place: Place) -> dict[str, Mapped]:
    """What is there already and was asked for. Raises ConfigError, CannotStart."""
    try:
        async with await Log.open(
            place.cluster_id, place.metadata_repositories, open_timeout_s=_OPEN_TIMEOUT_S
        ) as log:
            unused = survey.unmapped(log, place.used)
            if order.everything:
                return await _everything(log, place, unused)
            if not order.existing and not order.create:
                raise ConfigError(_nothing_asked(unused))
            return {
                name: await survey.as_partitions(
                    log, place.cluster_id, name, each.topic_id, _streams(name, each, unused)
                )
                for name, each in order.existing.items()
            }
    except VarlogError as error:
        raise CannotStart(f"the Varlog cluster can't be looked at now: {error}") from None


async def _everything(
    log: Log, place: Place, unused: Mapping[TopicId, list[LogStreamId]]
) -> dict[str, Mapped]:
    """Named by their numbers; those that hold something else are left out, and it is said."""
    found = {}
    for topic_id, log_streams in sorted(unused.items()):
        name = f"varlog-{topic_id}"
        try:
            if name in place.names:
                raise ConfigError(f"the name {name} is in use; map Varlog topic {topic_id} with --topic")
            found[name] = await survey.as_partitions(log, place.cluster_id, name, topic_id, log_streams)
        except ConfigError as error:
            typer.echo(f"left out: {error}", err=True)
    if not found:
        raise ConfigError("no Varlog topic is left that could be mapped; make one with --create")
    return found


def _nothing_asked(unused: Mapping[TopicId, list[LogStreamId]]) -> str:
    there = ", ".join(f"{topic_id} ({counted(len(each), 'log stream')})" for topic_id, each in unused.items())
    return (
        "say what to map: --topic NAME=VARLOG_TOPIC, --all, or --create NAME=PARTITIONS to make a new one; "
        f"Varlog topics with log streams that the file doesn't name: {there or 'none'}"
    )


def _streams(
    name: str, wanted: Existing, unused: Mapping[TopicId, list[LogStreamId]]
) -> Sequence[LogStreamId]:
    free = unused.get(wanted.topic_id, [])
    if missing := sorted(set(wanted.log_streams) - set(free)):
        raise ConfigError(
            f"{name}: log stream {missing[0]} is not in Varlog topic {wanted.topic_id}, or is mapped already"
        )
    if not free:
        raise ConfigError(f"{name}: Varlog topic {wanted.topic_id} has no log stream that could be mapped")
    return wanted.log_streams or free


async def make(order: Order, place: Place) -> dict[str, Mapped]:
    """What was asked to be made: all of it, or CannotStart and none."""
    assert place.admin is not None, "checked before"
    made: dict[str, Mapped] = {}
    console = Console(stderr=True)
    try:
        async with await Admin.connect(place.admin) as admin:
            for name, partitions in order.create.items():
                with console.status(f"making {counted(partitions, 'log stream')} for {name}"):
                    try:
                        topic = await make_topic(admin, partitions)
                    except BaseException:
                        for other in made.values():
                            await remove_topic(admin, TopicId(other.topic_id))
                        raise
                made[name] = Mapped(topic_id=topic.topic_id, log_streams=topic.log_streams)
    except VarlogError as error:
        raise CannotStart(f"nothing was written: the log streams can't be made: {error}") from None
    return made
