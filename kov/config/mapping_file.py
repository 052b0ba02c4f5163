"""From the mapping file's text to a `Config`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from pydantic import ValidationError

from kov import topic_config
from kov.config.problems import Problem, explain, listing
from kov.config.rules import broken_rules
from kov.config.schema import File, ListenerSection, NodeEntry, TopicConfigSection, TopicSection
from kov.config.values import (
    AutoCreate,
    CatalogConfig,
    Config,
    ConnectionLimits,
    Listener,
    NodeConfig,
    VarlogConfig,
)
from kov.config.yaml_file import Document, YamlError, parse
from kov.errors import ConfigError
from kov.topics import Origin, Topic, uuid_of_mapped
from varlog_client.types import ClusterId, LogStreamId, TopicId

_EXAMPLE = (
    'write at least varlog: {cluster_id: 1, metadata_repositories: ["10.0.0.1:9092"]} and topics: {...}'
)


def read(path: Path, *, node_id: int | None = None) -> Config:
    """What `kov.config.load` promises."""
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{source}: the file can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: this is not a text file in UTF-8; save it as UTF-8") from None
    return read_text(text, source=source, node_id=node_id)


def read_text(text: str, *, source: str, node_id: int | None = None) -> Config:
    """The same for a text that is at hand; `source` names it in errors."""
    try:
        document = parse(text)
    except YamlError as error:
        where = f":{error.line}:{error.column}" if error.line else ""
        raise ConfigError(f"{source}{where}: {error.text}") from None
    if not isinstance(document.value, dict):
        found = "is empty" if document.value is None else "holds no keys"
        raise ConfigError(f"{source}:1: the file {found}; {_EXAMPLE}")
    _override_node(document.value, node_id)
    return _build(_validated(document, source), document, source)


def _override_node(values: dict[object, object], node_id: int | None) -> None:
    node = values.get("node")
    if node_id is not None and (node is None or isinstance(node, dict)):
        values["node"] = {**(node or {}), "id": node_id}


def _validated(document: Document, source: str) -> File:
    try:
        file = File.model_validate(document.value)
    except ValidationError as error:
        raise _refusal(document, source, explain(error)) from None
    if problems := broken_rules(file):
        raise _refusal(document, source, problems)
    return file


def _refusal(document: Document, source: str, problems: list[Problem]) -> ConfigError:
    return ConfigError(listing(source, ((document.line_of(each.path), each) for each in problems)))


def _build(file: File, document: Document, source: str) -> Config:
    varlog = VarlogConfig(
        cluster_id=ClusterId(file.varlog.cluster_id),
        metadata_repositories=tuple(file.varlog.metadata_repositories),
        admin=file.varlog.admin,
        unseal=file.varlog.unseal,
    )
    return Config(
        source=source,
        node_id=file.node.id,
        nodes=tuple(_node(number, node) for number, node in sorted(file.nodes.items())),
        varlog=varlog,
        catalog=_catalog(file),
        topics=tuple(
            _topic(varlog.cluster_id, name, topic, f"{source}:{document.line_of(('topics', name))}")
            for name, topic in file.topics.items()
        ),
        auto_create=AutoCreate(enabled=file.auto_create.enabled, partitions=file.auto_create.partitions),
        limits=ConnectionLimits(
            max_idle_ms=file.limits.max_idle_ms,
            max_connections=file.limits.max_connections,
            max_connections_per_ip=file.limits.max_connections_per_ip,
        ),
    )


def _catalog(file: File) -> CatalogConfig | None:
    if file.catalog is None:
        return None
    return CatalogConfig(
        topic_id=TopicId(file.catalog.topic_id), log_stream_id=LogStreamId(file.catalog.log_stream)
    )


def _node(number: int, node: NodeEntry) -> NodeConfig:
    listeners = {name: _listener(listener) for name, listener in node.listeners.items()}
    return NodeConfig(node_id=number, listeners=listeners, rack=node.rack)


def _listener(listener: ListenerSection) -> Listener:
    return Listener(bind=listener.bind, advertise=listener.advertise or listener.bind)


def _topic(cluster_id: ClusterId, name: str, topic: TopicSection, where: str) -> Topic:
    topic_id = TopicId(topic.topic_id)
    return Topic(
        name=name,
        uuid=uuid_of_mapped(cluster_id, topic_id, name),
        topic_id=topic_id,
        log_streams=tuple(LogStreamId(each) for each in topic.partitions),
        origin=Origin.FILE,
        config=topic_config.from_text(_written(topic.config)),
        where=where,
    )


def _written(config: TopicConfigSection) -> dict[str, str]:
    values = config.model_dump(by_alias=True, exclude_unset=True)
    return {name: value.value if isinstance(value, Enum) else str(value) for name, value in values.items()}
