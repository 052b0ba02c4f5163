"""The client libraries, and what each of them can't do at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop import building
from tests.interop.building import Build

Command = Callable[[Path], Sequence[str]]
"""From the directory of the finished build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`lacks` says of each feature that a scenario may need why the library doesn't have it.

    Those that shape records (`null header`, `reading empty` and so on) only change what is sent and compared.
    """

    name: str
    language: str
    command: Command
    build: Build | None = None
    programs: Sequence[str] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
    splits: bool = False
    """Whether a batch that was too large is sent again in parts."""
    dies_of_refusals: bool = False
    """Whether an idempotent producer is of no use any more after a batch was refused."""
    own_words: Mapping[int, str] = field(default_factory=dict)
    """What an error says for which the library doesn't tell Kafka's code."""
    notes: Sequence[str] = ()
    """For the page."""

    def __str__(self) -> str:
        return self.name


def _go(name: str, *arguments: str) -> Command:
    return lambda built: (str(built / "bin" / name), *arguments)


def _java(version: str) -> Command:
    return lambda built: (
        "java",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        f"{built}/{version}/classes:{built}/{version}/lib/*",
        "kov.Driver",
    )


def _javascript(name: str) -> Command:
    return lambda built: ("node", str(building.DRIVERS / "javascript" / f"{name}.mjs"), str(built))


def _python(name: str) -> Command:
    return lambda _: (sys.executable, str(building.DRIVERS / "python" / f"{name}_driver.py"))


def _old_python(name: str) -> Command:
    return lambda built: (
        str(built / "venv/bin/python"),
        str(building.DRIVERS / "python" / f"{name}_driver.py"),
    )


def _without(reason: str, *features: str) -> dict[str, str]:
    return dict.fromkeys(features, reason)


_ONE_CALL_ONE_BATCH = {"batching": "one call is one batch"}
_ONLY_VALID_ACKS = {"other acks": "takes no other"}
_AIOKAFKA = {**_ONLY_VALID_ACKS, **_without("takes one of them", "null key and value")}
_KAFKA_PYTHON = {**_AIOKAFKA, **_without("refuses it", "null header")}
_IN_GROUPS_ONLY = {"assigned reading": "consumes in groups only"}

CLIENTS: tuple[Client, ...] = (
    Client(
        name="Java 4",
        language="Java",
        build=building.JAVA,
        command=_java("4.4.0"),
        lacks=_ONLY_VALID_ACKS,
        splits=True,
    ),
    Client(
        name="Java 2.8",
        language="Java",
        build=building.JAVA,
        command=_java("2.8.2"),
        lacks={
            **_ONLY_VALID_ACKS,
            **_without(
                "splits it into batches of batch.size again, for ever, also with Apache Kafka",
                "large batches",
            ),
        },
    ),
    Client(name="franz-go", language="Go", build=building.GO, command=_go("franz"), lacks=_ONLY_VALID_ACKS),
    Client(name="sarama", language="Go", build=building.GO, command=_go("sarama")),
    Client(
        name="sarama, V1_0_0_0",
        language="Go",
        build=building.GO,
        command=_go("sarama", "1.0.0"),
        lacks={
            **_without("is for 2.1 and later", "zstd"),
            **_without("asks with DescribeConfigs v0, which Apache Kafka 4 doesn't serve either", "configs"),
        },
    ),
    Client(
        name="kafka-go",
        language="Go",
        build=building.GO,
        command=_go("kafkago"),
        lacks={
            **_without("has no idempotent producer", "idempotence"),
            **_without("is read as null", "reading empty"),
        },
        notes=("the application must try again while a topic is being made, and while it can't connect",),
    ),
    Client(
        name="kafkajs",
        language="JavaScript",
        build=building.JAVASCRIPT,
        command=_javascript("kafkajs"),
        lacks={
            **_without("an application brings its codec along", "snappy", "lz4", "zstd"),
            **_without("leaves it out", "null header"),
            **_IN_GROUPS_ONLY,
            **_ONE_CALL_ONE_BATCH,
        },
        own_words={53: "Failed to find group coordinator"},
    ),
    Client(
        name="@platformatic/kafka",
        language="JavaScript",
        build=building.JAVASCRIPT,
        command=_javascript("platformatic"),
        lacks={
            **_without("needs Node.js 22", "zstd"),
            **_ONLY_VALID_ACKS,
            **_ONE_CALL_ONE_BATCH,
        },
    ),
    Client(
        name="confluent-kafka-javascript",
        language="JavaScript, C",
        build=building.CONFLUENT_JAVASCRIPT,
        command=_javascript("confluent"),
        lacks={
            **_without("has no such call", "configs", "alter", "cluster"),
            **_without("can't be sent", "null header"),
            **_without("is sent as null", "sending empty"),
        },
    ),
    Client(
        name="aiokafka",
        language="Python",
        command=_python("aiokafka"),
        lacks=_AIOKAFKA,
        dies_of_refusals=True,
        own_words={17: "UnknownTopicOrPartitionError"},
    ),
    Client(
        name="aiokafka 0.12",
        language="Python",
        build=building.OLD_PYTHON,
        command=_old_python("aiokafka"),
        lacks=_AIOKAFKA,
        dies_of_refusals=True,
        own_words={17: "UnknownTopicOrPartitionError"},
    ),
    Client(
        name="kafka-python",
        language="Python",
        command=_python("kafka_python"),
        lacks={
            **_KAFKA_PYTHON,
            **_without(
                "is split, but its futures then fail with `Future not done`, also with Apache Kafka",
                "large batches",
            ),
        },
        dies_of_refusals=True,
        own_words={17: "is illegal"},
    ),
    Client(
        name="kafka-python 2.0.2",
        language="Python",
        build=building.OLD_PYTHON,
        command=_old_python("kafka_python"),
        lacks={
            **_without("has no idempotent producer", "idempotence"),
            **_without("has no transactional producer", "transactions"),
            **_KAFKA_PYTHON,
        },
        own_words={17: "Failed to update metadata"},
    ),
    Client(
        name="confluent-kafka",
        language="Python, C",
        command=_python("confluent"),
    ),
    Client(
        name="kcat",
        language="C",
        programs=("kcat",),
        command=_python("kcat"),
        lacks={
            **_without("the same for all records of a run", "headers"),
            **_without("none but the time of sending", "timestamps"),
            **_without("can't be written in its input", "null key and value", "null value"),
            **_without("isn't an admin client", "create", "delete", "grow", "configs", "alter"),
        },
    ),
    Client(
        name="rskafka",
        language="Rust",
        build=building.RUST,
        command=lambda built: (str(built / "driver"),),
        lacks={
            **_without("has no idempotent producer", "idempotence"),
            **_without("has no transactional producer", "transactions"),
            **_without("has no groups", "groups"),
            **_without("always has acks=all", "acks=1", "acks=0", "other acks"),
            **_without("are a map without nulls", "null header", "repeated headers"),
            **_without("must exist before", "making by use"),
            **_without("has no such call", "grow", "configs", "alter", "cluster"),
            **_ONE_CALL_ONE_BATCH,
        },
    ),
)
