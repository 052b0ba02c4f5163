"""Kafka's own command-line tools, and what each of them is to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

VERSION = "4.3.0"

Arguments = Callable[["Place"], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tool is run: `topic` has four partitions and ten records in its first."""

    bootstrap: str
    topic: str
    new_topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """`says`: what stands in its output, all of it. `given`: its standard input."""

    name: str
    what: str
    main: str
    arguments: Arguments
    says: Sequence[str] = ()
    given: str = ""
    everyday: bool = True


def _bootstrap(*more: str) -> Arguments:
    return lambda place: ("--bootstrap-server", place.bootstrap, *_filled(place, more))


def _filled(place: Place, words: Sequence[str]) -> Sequence[str]:
    return [word.format(topic=place.topic, new=place.new_topic, bootstrap=place.bootstrap) for word in words]


_TOPICS = "org.apache.kafka.tools.TopicCommand"
_CONFIGS = "kafka.admin.ConfigCommand"

TOOLS: tuple[Tool, ...] = (
    Tool(
        name="kafka-topics --create",
        what="a topic with three partitions and a configuration",
        main=_TOPICS,
        arguments=_bootstrap(
            "--create", "--topic", "{new}", "--partitions", "3", "--config", "max.message.bytes=2000000"
        ),
        says=("Created topic",),
    ),
    Tool(
        name="kafka-topics --list",
        what="all topics",
        main=_TOPICS,
        arguments=_bootstrap("--list"),
        says=("{topic}",),
        everyday=False,
    ),
    Tool(
        name="kafka-topics --describe",
        what="partitions, leaders, replicas, configuration",
        main=_TOPICS,
        arguments=_bootstrap("--describe", "--topic", "{topic}"),
        says=("PartitionCount: 4", "Partition: 3", "Leader: "),
    ),
    Tool(
        name="kafka-topics --alter",
        what="more partitions",
        main=_TOPICS,
        arguments=_bootstrap("--alter", "--topic", "{topic}", "--partitions", "6"),
        everyday=False,
    ),
    Tool(
        name="kafka-topics --delete",
        what="deletes a topic",
        main=_TOPICS,
        arguments=_bootstrap("--delete", "--topic", "{topic}"),
        everyday=False,
    ),
    Tool(
        name="kafka-configs --describe",
        what="a topic's configuration, with where each value comes from",
        main=_CONFIGS,
        arguments=_bootstrap("--describe", "--all", "--entity-type", "topics", "--entity-name", "{topic}"),
        says=("max.message.bytes=1048588", "retention.ms=-1"),
    ),
    Tool(
        name="kafka-configs --describe (broker)",
        what="the broker's configuration",
        main=_CONFIGS,
        arguments=_bootstrap("--describe", "--all", "--entity-type", "brokers", "--entity-name", "1"),
        says=("num.partitions=",),
        everyday=False,
    ),
    Tool(
        name="kafka-configs --alter",
        what="changes a topic's limit",
        main=_CONFIGS,
        arguments=_bootstrap(
            "--alter", "--entity-type", "topics", "--entity-name", "{topic}",
            "--add-config", "max.message.bytes=2000000",
        ),
        says=("Completed updating config",),
    ),
    Tool(
        name="kafka-console-producer",
        what="writes lines with keys",
        main="org.apache.kafka.tools.ConsoleProducer",
        arguments=_bootstrap(
            "--topic", "{topic}",
            "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
        ),
        given="k1:v1\nk2:v2\n",
    ),
    Tool(
        name="kafka-console-consumer",
        what="reads one partition from its beginning",
        main="org.apache.kafka.tools.consumer.ConsoleConsumer",
        arguments=_bootstrap(
            "--topic", "{topic}", "--partition", "0", "--offset", "earliest", "--max-messages", "10"
        ),
        says=("Processed a total of 10 messages",),
    ),
    Tool(
        name="kafka-producer-perf-test",
        what="20,000 records of 100 bytes",
        main="org.apache.kafka.tools.ProducerPerformance",
        arguments=lambda place: (
            "--topic", place.topic, "--num-records", "20000", "--record-size", "100", "--throughput", "-1",
            "--bootstrap-server", place.bootstrap,
        ),
        says=("20000 records sent",),
    ),
    Tool(
        name="kafka-verifiable-producer",
        what="1,000 records, each acknowledged",
        main="org.apache.kafka.tools.VerifiableProducer",
        arguments=_bootstrap("--topic", "{topic}", "--max-messages", "1000", "--acks", "-1"),
        says=('"acked":1000', '"sent":1000'),
    ),
    Tool(
        name="kafka-get-offsets",
        what="the ends of all partitions",
        main="org.apache.kafka.tools.GetOffsetShell",
        arguments=_bootstrap("--topic", "{topic}"),
        says=("{topic}:0:10", "{topic}:1:0"),
    ),
    Tool(
        name="kafka-get-offsets --time -2",
        what="the beginnings",
        main="org.apache.kafka.tools.GetOffsetShell",
        arguments=_bootstrap("--topic", "{topic}", "--time", "-2"),
        says=("{topic}:0:0",),
        everyday=False,
    ),
    Tool(
        name="kafka-cluster cluster-id",
        what="the cluster's id",
        main="org.apache.kafka.tools.ClusterTool",
        arguments=lambda place: ("cluster-id", "--bootstrap-server", place.bootstrap),
        says=("Cluster ID: ",),
    ),
    Tool(
        name="kafka-log-dirs --describe",
        what="size of each partition",
        main="org.apache.kafka.tools.LogDirsCommand",
        arguments=_bootstrap("--describe", "--topic-list", "{topic}"),
        says=('"partition":"{topic}-0"',),
    ),
    Tool(
        name="kafka-broker-api-versions",
        what="every API and its versions",
        main="org.apache.kafka.tools.BrokerApiVersionsCommand",
        arguments=_bootstrap(),
        says=("Produce(0): 0 to ", "CreateTopics(19)"),
    ),
    Tool(
        name="kafka-transactions describe-producers",
        what="the producers of a partition",
        main="org.apache.kafka.tools.TransactionsCommand",
        arguments=_bootstrap("describe-producers", "--topic", "{topic}", "--partition", "0"),
        says=("ProducerId",),
        everyday=False,
    ),
    Tool(
        name="kafka-leader-election",
        what="preferred leaders: each partition has its own already",
        main="org.apache.kafka.tools.LeaderElectionCommand",
        arguments=_bootstrap(
            "--election-type", "preferred", "--topic", "{topic}", "--partition", "0"
        ),
        everyday=False,
    ),
    Tool(
        name="kafka-reassign-partitions --list",
        what="no reassignment is going on",
        main="org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        arguments=_bootstrap("--list"),
        says=("No partition reassignments found",),
        everyday=False,
    ),
)  # fmt: skip
