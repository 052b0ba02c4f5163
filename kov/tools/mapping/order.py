"""What `kov map` is to do, and the mapping file as it finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kov.config import load
from kov.errors import ConfigError
from kov.topics import invalid_name
from varlog_client.types import ClusterId, LogStreamId, TopicId

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """A Varlog topic to be mapped; without `log_streams` all that nothing uses."""

    topic_id: TopicId
    log_streams: Sequence[LogStreamId] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`varlog` and `admin` are for a file that doesn't exist yet; `create` says how many partitions."""

    file: Path
    varlog: Sequence[str] = ()
    admin: str | None = None
    cluster_id: int | None = None
    existing: Mapping[str, Existing] = field(default_factory=dict)
    create: Mapping[str, int] = field(default_factory=dict)
    everything: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The file as it is, `text` None where it isn't, and the cluster."""

    text: str | None
    cluster_id: ClusterId
    metadata_repositories: Sequence[str]
    admin: str | None
    used: frozenset[int]
    names: frozenset[str]


def existing_by_name(wanted: Sequence[tuple[str, int, Sequence[int]]]) -> dict[str, Existing]:
    """Raises ConfigError for a name that stands twice."""
    topics = [
        (name, Existing(topic_id=TopicId(topic_id), log_streams=[LogStreamId(each) for each in log_streams]))
        for name, topic_id, log_streams in wanted
    ]
    return by_name(topics)


def by_name(wanted: Sequence[tuple[str, T]]) -> dict[str, T]:
    """Raises ConfigError for a name that stands twice."""
    found = dict(wanted)
    for name in found:
        if sum(1 for other, _ in wanted if other == name) > 1:
            raise ConfigError(f"{name} is named twice; name each topic once")
    return found


def look_at_file(order: Order) -> Place:
    """Raises ConfigError."""
    if not order.file.exists():
        if not order.varlog:
            raise ConfigError(
                f"{order.file} doesn't exist; to write it, name the cluster with --varlog HOST:PORT, "
                "a metadata repository"
            )
        cluster_id = ClusterId(order.cluster_id or 1)
        return Place(
            text=None,
            cluster_id=cluster_id,
            metadata_repositories=order.varlog,
            admin=order.admin,
            used=frozenset(),
            names=frozenset(),
        )
    if order.varlog or order.admin or order.cluster_id is not None:
        raise ConfigError(
            f"{order.file} exists and names its cluster; leave --varlog, --admin and --cluster-id out"
        )
    config = load(order.file, environment={})
    assert config.varlog is not None, "a mapping file names its cluster"
    used = {each for topic in config.topics for each in topic.log_streams}
    if config.catalog is not None:
        used.add(config.catalog.log_stream_id)
    return Place(
        text=order.file.read_text(encoding="utf-8"),
        cluster_id=config.varlog.cluster_id,
        metadata_repositories=config.varlog.metadata_repositories,
        admin=config.varlog.admin,
        used=frozenset(used),
        names=frozenset(topic.name for topic in config.topics),
    )


def check(order: Order, place: Place) -> None:
    """Raises ConfigError for what can't be done to this file, before anything is asked of the cluster."""
    for name in (*order.existing, *order.create):
        if reason := invalid_name(name):
            raise ConfigError(f"{name!r}: {reason}")
        if name in place.names:
            raise ConfigError(f"{order.file} has a topic {name} already; choose another name")
    if twice := order.existing.keys() & order.create.keys():
        raise ConfigError(f"{', '.join(sorted(twice))}: give either --topic or --create")
    if order.create and place.admin is None:
        where = "add admin to varlog in the file" if place.text is not None else "name it with --admin"
        raise ConfigError(f"--create is done by the cluster's admin server; {where}")
