"""What differs between the configuration that is in force and the one that a file asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kov.config import Config
from kov.topics import Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Sentences for people, in the order of the file. `topics` are in force from now on, `moved` partitions
    begin anew there, and `fixed` has to wait for the next start."""

    topics: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


def compare(running: Config, wanted: Config) -> Changes:
    before = {topic.name: topic for topic in running.topics}
    after = {topic.name: topic for topic in wanted.topics}
    removed = [f"topic {name} is served no longer" for name in before if name not in after]
    changed = [
        sentence
        for name, topic in after.items()
        for sentence in (_topic(before[name], topic) if name in before else [_added(topic)])
    ]
    moved = [
        sentence
        for name, topic in after.items()
        if name in before
        for sentence in _moved(before[name], topic)
    ]
    return Changes(topics=(*removed, *changed), moved=tuple(moved), fixed=tuple(_fixed(running, wanted)))


def _added(topic: Topic) -> str:
    return f"topic {topic.name} is new, with {_partitions(len(topic.log_streams))}"


def _topic(before: Topic, after: Topic) -> Iterator[str]:
    had, has = len(before.log_streams), len(after.log_streams)
    if has != had:
        yield f"topic {after.name} has {_partitions(has)} instead of {had}"
    if dict(before.config.written) != dict(after.config.written):
        names = sorted(before.config.written.items() ^ after.config.written.items())
        for name in dict(names):
            value = after.config.written.get(name, "the default")
            yield f"topic {after.name}: {name} is {value}"


def _moved(before: Topic, after: Topic) -> Iterator[str]:
    if before.topic_id != after.topic_id:
        yield (
            f"topics.{after.name}.topic_id: Varlog topic {before.topic_id} became {after.topic_id}, "
            "so the topic is another one of the same name"
        )
        return
    for index, (old, new) in enumerate(zip(before.log_streams, after.log_streams, strict=False)):
        if old != new:
            yield (
                f"topics.{after.name}.partitions[{index}]: log stream {old} became {new}; "
                "the partition is what lies there now, and its old records are not served any more"
            )


def _fixed(running: Config, wanted: Config) -> Iterator[str]:
    old, new = _settings(running), _settings(wanted)
    for path in dict.fromkeys((*old, *new)):
        if old.get(path) != new.get(path):
            was, now = old.get(path, "not there"), new.get(path, "not there")
            yield f"{path} was {was} and is {now} in the file; that takes effect when kov is started again"


def _settings(config: Config) -> Mapping[str, str]:
    """Everything but the topics, by its path in the file."""
    found = {"node.id": str(config.node_id)}
    for node in config.nodes:
        for name, listener in node.listeners.items():
            path = f"nodes.{node.node_id}.listeners.{name}"
            found |= {f"{path}.bind": str(listener.bind), f"{path}.advertise": str(listener.advertise)}
        found[f"nodes.{node.node_id}.rack"] = node.rack or "none"
    if config.varlog is not None:
        found["varlog.metadata_repositories"] = ", ".join(config.varlog.metadata_repositories)
        found["varlog.admin"] = config.varlog.admin or "none"
        found["varlog.unseal"] = str(config.varlog.unseal).lower()
    if config.catalog is not None:
        found["catalog.topic_id"] = str(config.catalog.topic_id)
        found["catalog.log_stream"] = str(config.catalog.log_stream_id)
    return found | {
        "auto_create.enabled": str(config.auto_create.enabled).lower(),
        "auto_create.partitions": str(config.auto_create.partitions),
        "limits['connections.max.idle.ms']": str(config.limits.max_idle_ms),
        "limits['max.connections']": str(config.limits.max_connections),
        "limits['max.connections.per.ip']": str(config.limits.max_connections_per_ip),
        "log.slow_request_ms": str(config.slow_request_ms),
        "http.listen": str(config.http) if config.http is not None else "none",
    }


def _partitions(count: int) -> str:
    return f"{count} partition{'' if count == 1 else 's'}"
