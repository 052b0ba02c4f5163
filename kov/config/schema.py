"""The mapping file as pydantic models: which keys exist, and what each of them holds.

A field's description says what to write there; error texts and the reference are made from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr

from kov.address import Address
from kov.config.values import DEFAULT_AUTO_PARTITIONS, DEFAULT_MAX_IDLE_MS, DEFAULT_SLOW_REQUEST_MS, NO_BOUND
from kov.topic_config import (
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_TIMESTAMP_AFTER_MAX_MS,
    NO_BOUND_MS,
    TimestampType,
)

MAX_PARTITIONS = 10_000
_MAX_INT32 = 2**31 - 1
_SHORTEST_IDLE_MS = 1_000
_LONGEST_IDLE_MS = 2**53

T = TypeVar("T")


def _address(value: object) -> object:
    return Address.parse(value) if isinstance(value, str) else value


def _client_address(text: str) -> str:
    address = Address.parse(text)
    if not address.port or address.unspecified:
        raise ValueError(f"{text!r} can't be connected to; write the host and port the server listens on")
    return text


def _idle_ms(value: int) -> int:
    if value != -1 and value < _SHORTEST_IDLE_MS:
        raise ValueError(
            f"{value} ms is too short, clients would lose their connections between two requests; "
            f"write {_SHORTEST_IDLE_MS} or more, for example {DEFAULT_MAX_IDLE_MS}, or -1 for no bound"
        )
    return value


def _dense(value: object) -> object:
    """`{0: 11, 1: 12}` as the list it stands for."""
    if not isinstance(value, dict):
        return value
    for key in value:
        if type(key) is not int:
            raise ValueError(
                f"{key!r} is not a partition number; write {{0: LOG STREAM, 1: LOG STREAM, ...}}"
            )
    missing = next((index for index in range(len(value)) if index not in value), None)
    if missing is not None:
        raise ValueError(
            f"partition {missing} is missing: partitions are numbered from 0 without a gap; "
            f"add {missing}: LOG STREAM, or number them 0 to {len(value) - 1}"
        )
    return [value[index] for index in range(len(value))]


VarlogId = Annotated[int, Field(strict=True, ge=1, le=_MAX_INT32)]
BindAddress = Annotated[Address, BeforeValidator(_address)]
ClientAddress = Annotated[StrictStr, AfterValidator(_client_address)]
Count = Annotated[int, Field(strict=True, ge=1, le=_MAX_INT32)]
Filled = Annotated[T, Field(min_length=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(Section):
    id: Annotated[int, Field(strict=True, ge=0, le=_MAX_INT32)] = Field(
        default=1, description="this node's number, for example 1"
    )


class ListenerSection(Section):
    bind: BindAddress = Field(description="the address to listen on, for example 0.0.0.0:9092")
    advertise: BindAddress | None = Field(
        default=None,
        description="the HOST:PORT by which clients reach this listener, for example kov-1.example:9092",
    )


class NodeEntry(Section):
    listeners: Filled[dict[str, ListenerSection]] = Field(
        description="at least one listener, for example {internal: {bind: 0.0.0.0:9092, advertise: kov:9092}}"
    )
    rack: StrictStr | None = Field(default=None, description="the node's rack or zone, for example zone-a")


class VarlogSection(Section):
    cluster_id: VarlogId = Field(description="the Varlog cluster's id, for example 1")
    metadata_repositories: Filled[list[ClientAddress]] = Field(
        description='the metadata repositories\' addresses, for example ["10.0.0.1:9092"]'
    )
    admin: ClientAddress | None = Field(
        default=None, description="the admin server's address, for example 10.0.0.1:9093"
    )
    unseal: StrictBool = Field(default=False, description="true or false")


class CatalogSection(Section):
    topic_id: VarlogId = Field(description="the Varlog topic of the catalog's log stream, for example 9")
    log_stream: VarlogId = Field(description="the catalog's log stream, for example 90")


class TopicConfigSection(Section):
    max_message_bytes: Annotated[int, Field(strict=True, ge=0, le=_MAX_INT32)] = Field(
        default=DEFAULT_MAX_MESSAGE_BYTES,
        alias="max.message.bytes",
        description="the largest batch in bytes, for example 1048588",
    )
    timestamp_type: TimestampType = Field(
        default=TimestampType.CREATE_TIME,
        alias="message.timestamp.type",
        description="CreateTime or LogAppendTime",
    )
    timestamp_before_max_ms: Annotated[int, Field(strict=True, ge=0, le=NO_BOUND_MS)] = Field(
        default=NO_BOUND_MS,
        alias="message.timestamp.before.max.ms",
        description="how many milliseconds a record's time may lie in the past, for example 86400000",
    )
    timestamp_after_max_ms: Annotated[int, Field(strict=True, ge=0, le=NO_BOUND_MS)] = Field(
        default=DEFAULT_TIMESTAMP_AFTER_MAX_MS,
        alias="message.timestamp.after.max.ms",
        description="how many milliseconds a record's time may lie in the future, for example 3600000",
    )
    cleanup_policy: Literal["delete", "compact", "compact,delete", "delete,compact"] = Field(
        default="delete",
        alias="cleanup.policy",
        description="delete, or compact: then records need a key; kov keeps all records either way",
    )
    compression_type: Literal["producer"] = Field(
        default="producer",
        alias="compression.type",
        description="producer, or leave the line out: kov stores batches as the producer compressed them",
    )


class TopicSection(Section):
    topic_id: VarlogId = Field(description="the Varlog topic, for example 1")
    partitions: Annotated[
        Filled[list[VarlogId]], Field(max_length=MAX_PARTITIONS), BeforeValidator(_dense)
    ] = Field(description="the log streams, one per partition, for example [1, 2, 3] or {0: 1, 1: 2, 2: 3}")
    config: TopicConfigSection = Field(
        default_factory=TopicConfigSection,
        description="topic settings, for example {max.message.bytes: 1048588}",
    )


class AutoCreateSection(Section):
    enabled: StrictBool = Field(default=False, description="true or false")
    partitions: Annotated[int, Field(strict=True, ge=1, le=MAX_PARTITIONS)] = Field(
        default=DEFAULT_AUTO_PARTITIONS, description="how many partitions a new topic gets, for example 4"
    )


class LimitsSection(Section):
    max_idle_ms: Annotated[int, Field(strict=True, le=_LONGEST_IDLE_MS), AfterValidator(_idle_ms)] = Field(
        default=DEFAULT_MAX_IDLE_MS,
        alias="connections.max.idle.ms",
        description="the milliseconds that a connection may be idle, for example 600000, or -1 for no bound",
    )
    max_connections: Count = Field(
        default=NO_BOUND,
        alias="max.connections",
        description="how many connections there may be at once, for example 10000",
    )
    max_connections_per_ip: Count = Field(
        default=NO_BOUND,
        alias="max.connections.per.ip",
        description="how many connections one address may have at once, for example 1000",
    )


class HttpSection(Section):
    listen: BindAddress = Field(
        description="where metrics and probes are answered over HTTP, for example 127.0.0.1:9464"
    )


class LogSection(Section):
    slow_request_ms: Annotated[int, Field(strict=True, ge=-1, le=_MAX_INT32)] = Field(
        default=DEFAULT_SLOW_REQUEST_MS,
        description="the milliseconds from which on a request is slow, for example 1000, or -1 for never",
    )


class File(Section):
    node: NodeSection = Field(
        default_factory=NodeSection, description="which node this is, for example {id: 1}"
    )
    nodes: dict[Annotated[int, Field(strict=True, ge=0, le=_MAX_INT32)], NodeEntry] = Field(
        default_factory=dict, description="every node by its number, or leave it out: then there is one"
    )
    varlog: VarlogSection = Field(
        description='the cluster, for example {cluster_id: 1, metadata_repositories: ["10.0.0.1:9092"]}'
    )
    catalog: CatalogSection | None = Field(
        default=None,
        description="where topics made at run time are kept, for example {topic_id: 9, log_stream: 90}",
    )
    topics: dict[StrictStr, TopicSection] = Field(
        default_factory=dict,
        description="the topics by name, for example {orders: {topic_id: 1, partitions: [1, 2]}}",
    )
    auto_create: AutoCreateSection = Field(
        default_factory=AutoCreateSection, description="for example {enabled: true, partitions: 4}"
    )
    limits: LimitsSection = Field(
        default_factory=LimitsSection,
        description="bounds on connections, for example {max.connections: 10000}",
    )
    http: HttpSection | None = Field(
        default=None, description="the port for metrics and probes, for example {listen: 127.0.0.1:9464}"
    )
    log: LogSection = Field(
        default_factory=LogSection, description="what is logged, for example {slow_request_ms: 1000}"
    )


def field_at(path: tuple[str | int, ...]) -> tuple[type[Section] | None, str]:
    """The section that the value at `path` is (None: it is no section), and its description."""
    kind: Any = File
    description = ""
    for step in path:
        if isinstance(kind, type) and issubclass(kind, Section):
            known = next((f for name, f in kind.model_fields.items() if step in (f.alias, name)), None)
            if known is None:
                return None, ""
            kind, description = _without_none(known.annotation), known.description or ""
        else:
            kind = _item_of(kind)
    is_section = isinstance(kind, type) and issubclass(kind, Section)
    return (kind if is_section else None), description


def keys_of(section: type[Section]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _without_none(annotation: Any) -> Any:
    members = [each for each in getattr(annotation, "__args__", ()) if each is not type(None)]
    is_optional = type(None) in getattr(annotation, "__args__", ())
    return members[0] if is_optional else annotation


def _item_of(annotation: Any) -> Any:
    arguments = getattr(annotation, "__args__", ())
    return arguments[-1] if arguments else None
