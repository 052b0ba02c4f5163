"""From the mapping file's text to a `Config`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TypedDict

from pydantic import ValidationError

from kov import topic_config
from kov.address import Address
from kov.config import environment as variables
from kov.config.environment import Override
from kov.config.problems import BadFile, Located, Problem, explain
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
    embedded_config,
)
from kov.config.yaml_file import Document, YamlError, parse
from kov.config.yaml_file import Path as KeyPath
from kov.errors import ConfigError
from kov.topics import Origin, Topic, uuid_of_mapped
from varlog_client.types import ClusterId, LogStreamId, TopicId

_EXAMPLE = (
    'write at least varlog: {cluster_id: 1, metadata_repositories: ["10.0.0.1:9092"]} and topics: {...}'
)


# Where a mapping needs a cluster and there is none, because only the embedded store is configured.
_NO_CLUSTER = {"cluster_id": 1, "metadata_repositories": ["127.0.0.1:1"]}
_OF_EMBEDDED = ("auto_create", "limits", "http", "log")
_THE_ENVIRONMENT = "the environment"


@dataclass(frozen=True, slots=True)
class _Given:
    """The file and what the environment puts into it."""

    source: str
    document: Document
    overrides: Sequence[Override] = ()

    def place_of(self, path: KeyPath) -> tuple[int, str]:
        """A place in the order of the file, and its name."""
        for override in self.overrides:
            if path[: len(override.variable.path)] == override.variable.path:
                return 0, override.variable.name
        line = self.document.line_of(path)
        return line, f"{self.source}:{line}" if self.document.root is not None else self.source

    def refusal(self, problems: list[Problem]) -> ConfigError:
        return BadFile(Located(*self.place_of(each.path), each) for each in problems)


def read(path: Path, *, node_id: int | None, environment: Mapping[str, str]) -> Config:
    """What `kov.config.load` promises."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the file can't be read: {error.strerror}") from None
    return read_bytes(data, source=str(path), node_id=node_id, environment=environment)


def read_bytes(data: bytes, *, source: str, node_id: int | None, environment: Mapping[str, str]) -> Config:
    """The same for bytes that are at hand."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: this is not a text file in UTF-8; save it as UTF-8") from None
    config = read_text(text, source=source, node_id=node_id, environment=environment)
    return replace(config, digest=hashlib.sha256(data).digest())


def from_environment(*, node_id: int | None, environment: Mapping[str, str]) -> Config:
    """What `kov.config.from_environment` promises."""
    overrides = variables.overrides(environment)
    values: dict[object, object] = {}
    variables.apply(values, overrides)
    _override_node(values, node_id)
    given = _Given(_THE_ENVIRONMENT, Document(values, None), overrides)
    if "varlog" in values:
        return _build(_validated(given), given)
    for override in overrides:
        if override.variable.path[0] not in (*_OF_EMBEDDED, "node"):
            raise ConfigError(
                f"{override.variable.name} is for a Varlog cluster, and none is named; give a mapping file, "
                "or KOV_VARLOG__CLUSTER_ID and KOV_VARLOG__METADATA_REPOSITORIES"
            )
    return _embedded(given, values)


def _embedded(given: _Given, values: dict[object, object]) -> Config:
    creation = values.setdefault("auto_create", {})
    assert isinstance(creation, dict)
    creation.setdefault("enabled", True)
    file = _modelled(replace(given, document=Document(values | {"varlog": _NO_CLUSTER}, None)))
    config = embedded_config()
    return replace(config, node_id=file.node.id, **_common(file))


def read_text(
    text: str, *, source: str, node_id: int | None = None, environment: Mapping[str, str] | None = None
) -> Config:
    """The same for a text that is at hand; `source` names it in errors."""
    try:
        document = parse(text)
    except YamlError as error:
        where = f":{error.line}:{error.column}" if error.line else ""
        raise ConfigError(f"{source}{where}: {error.text}") from None
    if not isinstance(document.value, dict):
        found = "is empty" if document.value is None else "holds no keys"
        raise ConfigError(f"{source}:1: the file {found}; {_EXAMPLE}")
    overrides = variables.overrides(environment or {})
    variables.apply(document.value, overrides)
    _override_node(document.value, node_id)
    given = _Given(source, document, overrides)
    return _build(_validated(given), given)


def _override_node(values: dict[object, object], node_id: int | None) -> None:
    node = values.get("node")
    if node_id is not None and (node is None or isinstance(node, dict)):
        values["node"] = {**(node or {}), "id": node_id}


def _modelled(given: _Given) -> File:
    try:
        return File.model_validate(given.document.value)
    except ValidationError as error:
        raise given.refusal(explain(error)) from None


def _validated(given: _Given) -> File:
    file = _modelled(given)
    if problems := broken_rules(file):
        raise given.refusal(problems)
    return file


def _build(file: File, given: _Given) -> Config:
    varlog = VarlogConfig(
        cluster_id=ClusterId(file.varlog.cluster_id),
        metadata_repositories=tuple(file.varlog.metadata_repositories),
        admin=file.varlog.admin,
        unseal=file.varlog.unseal,
    )
    return Config(
        source=given.source,
        node_id=file.node.id,
        nodes=tuple(_node(number, node) for number, node in sorted(file.nodes.items())),
        varlog=varlog,
        catalog=_catalog(file),
        topics=tuple(
            _topic(varlog.cluster_id, name, topic, given.place_of(("topics", name))[1])
            for name, topic in file.topics.items()
        ),
        **_common(file),
    )


class _Common(TypedDict):
    auto_create: AutoCreate
    limits: ConnectionLimits
    http: Address | None
    slow_request_ms: int


def _common(file: File) -> _Common:
    """What an embedded store is configured with as well."""
    return _Common(
        auto_create=AutoCreate(enabled=file.auto_create.enabled, partitions=file.auto_create.partitions),
        limits=ConnectionLimits(
            max_idle_ms=file.limits.max_idle_ms,
            max_connections=file.limits.max_connections,
            max_connections_per_ip=file.limits.max_connections_per_ip,
        ),
        http=file.http.listen if file.http is not None else None,
        slow_request_ms=file.log.slow_request_ms,
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
