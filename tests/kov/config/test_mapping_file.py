"""A good mapping file gives every value; a bad one names every mistake, where it stands and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from kov.address import Address
from kov.config import (
    CatalogConfig,
    Config,
    ConnectionLimits,
    Listener,
    NodeConfig,
    VarlogConfig,
    embedded_config,
    load,
)
from kov.config.mapping_file import read_text
from kov.errors import ConfigError
from kov.topics import Origin, TimestampType, uuid_of_mapped
from varlog_client import ClusterId, LogStreamId, TopicId

GOOD = """
node: {id: 1}
nodes:
  1:
    listeners:
      internal: {bind: "0.0.0.0:9092", advertise: "kov-1.internal:9092"}
      external: {bind: "0.0.0.0:9094", advertise: "kafka.example:9094"}
  2:
    rack: b
    listeners:
      internal: {bind: "10.0.0.2:9092"}
      external: {bind: "0.0.0.0:9094", advertise: "[2001:db8::2]:9094"}
varlog:
  cluster_id: 7
  metadata_repositories: ["10.0.0.1:9092", "10.0.0.2:9092"]
  admin: "10.0.0.1:9093"
  unseal: true
catalog: {topic_id: 9, log_stream: 90}
topics:
  orders:
    topic_id: 1
    partitions: [1, 2, 3]
    config: {max.message.bytes: 2000000, message.timestamp.type: LogAppendTime, compression.type: producer}
  payments:
    topic_id: 2
    partitions: {1: 12, 0: 11}
auto_create: {enabled: true, partitions: 6}
limits: {connections.max.idle.ms: 60000, max.connections: 500, max.connections.per.ip: 20}
"""

SMALL = """\
varlog:
  cluster_id: 1
  metadata_repositories: ["10.0.0.1:9092"]
topics:
  orders:
    topic_id: 1
    partitions: [1, 2]
"""


def errors_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read_text(text, source="m.yaml")
    return str(refused.value).splitlines()


def test_every_key_reaches_the_configuration() -> None:
    config = read_text(GOOD, source="m.yaml")

    assert config.node_id == 1
    assert config.nodes == (
        NodeConfig(
            node_id=1,
            listeners={
                "internal": Listener(
                    bind=Address("0.0.0.0", 9092), advertise=Address("kov-1.internal", 9092)
                ),
                "external": Listener(bind=Address("0.0.0.0", 9094), advertise=Address("kafka.example", 9094)),
            },
        ),
        NodeConfig(
            node_id=2,
            rack="b",
            listeners={
                "internal": Listener(bind=Address("10.0.0.2", 9092), advertise=Address("10.0.0.2", 9092)),
                "external": Listener(bind=Address("0.0.0.0", 9094), advertise=Address("2001:db8::2", 9094)),
            },
        ),
    )
    assert config.node is config.nodes[0]
    assert config.varlog == VarlogConfig(
        cluster_id=ClusterId(7),
        metadata_repositories=("10.0.0.1:9092", "10.0.0.2:9092"),
        admin="10.0.0.1:9093",
        unseal=True,
    )
    assert config.catalog == CatalogConfig(topic_id=TopicId(9), log_stream_id=LogStreamId(90))
    assert (config.auto_create.enabled, config.auto_create.partitions) == (True, 6)
    assert config.limits == ConnectionLimits(
        max_idle_ms=60_000, max_connections=500, max_connections_per_ip=20
    )


def test_topics_carry_ids_settings_and_a_uuid_that_stays() -> None:
    orders, payments = read_text(GOOD, source="m.yaml").topics

    assert (orders.name, orders.topic_id, orders.log_streams) == ("orders", 1, (1, 2, 3))
    assert (orders.config.max_message_bytes, orders.config.timestamp_type) == (
        2_000_000,
        TimestampType.LOG_APPEND_TIME,
    )
    assert orders.uuid == uuid_of_mapped(ClusterId(7), TopicId(1), "orders")
    assert orders.origin is Origin.FILE
    assert payments.log_streams == (11, 12)
    assert payments.config.max_message_bytes == 1_048_588
    assert payments.config.timestamp_type is TimestampType.CREATE_TIME


def test_what_a_small_file_leaves_out_is_off() -> None:
    config = read_text(SMALL, source="m.yaml")

    assert config == Config(
        source="m.yaml",
        varlog=VarlogConfig(cluster_id=ClusterId(1), metadata_repositories=("10.0.0.1:9092",)),
        topics=config.topics,
    )
    assert not config.auto_create.enabled


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (
            "{connections.max.idle.ms: 0}",
            "limits['connections.max.idle.ms']: 0 ms is too short, clients would lose their connections "
            "between two requests; write 1000 or more, for example 600000, or -1 for no bound",
        ),
        (
            "{connections.max.idle.ms: 10min}",
            "limits['connections.max.idle.ms']: '10min' can't be used (input should be a valid integer); "
            "write the milliseconds that a connection may be idle, for example 600000, or -1 for no bound",
        ),
        (
            "{max.connections: 0}",
            "limits['max.connections']: 0 can't be used (input should be greater than or equal to 1); "
            "write how many connections there may be at once, for example 10000",
        ),
        (
            "{max.connections.per.ip: true}",
            "limits['max.connections.per.ip']: True can't be used (input should be a valid integer); "
            "write how many connections one address may have at once, for example 1000",
        ),
        ("{max.connection: 5}", "limits['max.connection']: unknown key; did you mean max.connections?"),
    ],
)
def test_limits_that_can_t_be_meant_are_refused(limits: str, error: str) -> None:
    assert errors_of(f"{SMALL}limits: {limits}\n") == [f"m.yaml:8: {error}"]


def test_connections_may_be_idle_for_ever() -> None:
    config = read_text(f"{SMALL}limits: {{connections.max.idle.ms: -1}}\n", source="m.yaml")
    assert config.limits == ConnectionLimits(max_idle_ms=-1)


def test_without_a_file_topics_are_made_with_four_partitions() -> None:
    config = embedded_config()
    assert config.varlog is None
    assert (config.auto_create.enabled, config.auto_create.partitions) == (True, 4)


def test_node_id_of_the_command_line_stands_in_for_the_file_s() -> None:
    assert read_text(GOOD, source="m.yaml", node_id=2).node.node_id == 2
    with pytest.raises(ConfigError, match=r"node\.id: node 5 is not in nodes; write one of 1, 2"):
        read_text(GOOD, source="m.yaml", node_id=5)


# What is put in place of a line of SMALL, and the whole text of the one error that follows.
ONE_MISTAKE = [
    pytest.param(
        "  cluster_id: 1",
        "  clusterid: 1",
        [
            "m.yaml:1: varlog.cluster_id: is missing; write the Varlog cluster's id, for example 1",
            "m.yaml:2: varlog.clusterid: unknown key; did you mean cluster_id?",
        ],
        id="misspelt key",
    ),
    pytest.param(
        "  cluster_id: 1",
        "  cluster_id: '1'",
        [
            "m.yaml:2: varlog.cluster_id: '1' can't be used (input should be a valid integer); "
            "write the Varlog cluster's id, for example 1"
        ],
        id="text for a number",
    ),
    pytest.param(
        "  cluster_id: 1",
        "  cluster_id: 0",
        [
            "m.yaml:2: varlog.cluster_id: 0 can't be used (input should be greater than or equal to 1); "
            "write the Varlog cluster's id, for example 1"
        ],
        id="no Varlog id",
    ),
    pytest.param(
        "  cluster_id: 1",
        "  cluster_id:",
        ["m.yaml:2: varlog.cluster_id: is empty; write the Varlog cluster's id, for example 1"],
        id="no value",
    ),
    pytest.param(
        '["10.0.0.1:9092"]',
        '["10.0.0.1"]',
        [
            "m.yaml:3: varlog.metadata_repositories[0]: '10.0.0.1' is not HOST:PORT; "
            "write for example 127.0.0.1:9092"
        ],
        id="address without port",
    ),
    pytest.param(
        '["10.0.0.1:9092"]',
        '["10.0.0.1:99999"]',
        [
            "m.yaml:3: varlog.metadata_repositories[0]: '10.0.0.1:99999': the port is above 65535; "
            "write a port from 1 to 65535"
        ],
        id="port too large",
    ),
    pytest.param(
        '["10.0.0.1:9092"]',
        '["::1:9092"]',
        [
            "m.yaml:3: varlog.metadata_repositories[0]: '::1:9092': write an IPv6 address in brackets, "
            "for example [::1]:9092"
        ],
        id="IPv6 without brackets",
    ),
    pytest.param(
        '["10.0.0.1:9092"]',
        '["0.0.0.0:9092"]',
        [
            "m.yaml:3: varlog.metadata_repositories[0]: '0.0.0.0:9092' can't be connected to; "
            "write the host and port the server listens on"
        ],
        id="unspecified address",
    ),
    pytest.param(
        '["10.0.0.1:9092"]',
        "[]",
        [
            "m.yaml:3: varlog.metadata_repositories: [] can't be used (at least one is needed); "
            'write the metadata repositories\' addresses, for example ["10.0.0.1:9092"]'
        ],
        id="no metadata repository",
    ),
    pytest.param(
        "[1, 2]",
        "[1, 2, 1]",
        [
            "m.yaml:7: topics.orders.partitions[2]: log stream 1 already serves topics.orders.partitions[0]; "
            "a log stream serves at most one partition: write another one"
        ],
        id="log stream twice",
    ),
    pytest.param(
        "[1, 2]",
        "{0: 1, 2: 2}",
        [
            "m.yaml:7: topics.orders.partitions: partition 1 is missing: partitions are numbered from 0 "
            "without a gap; add 1: LOG STREAM, or number them 0 to 1"
        ],
        id="gap",
    ),
    pytest.param(
        "[1, 2]",
        "{a: 1}",
        [
            "m.yaml:7: topics.orders.partitions: 'a' is not a partition number; "
            "write {0: LOG STREAM, 1: LOG STREAM, ...}"
        ],
        id="partition without number",
    ),
    pytest.param(
        "[1, 2]",
        "[1, true]",
        [
            "m.yaml:7: topics.orders.partitions[1]: True can't be used (input should be a valid integer); "
            "write the log streams, one per partition, for example [1, 2, 3] or {0: 1, 1: 2, 2: 3}"
        ],
        id="true is no log stream",
    ),
    pytest.param(
        "[1, 2]",
        "[]",
        [
            "m.yaml:7: topics.orders.partitions: [] can't be used (at least one is needed); "
            "write the log streams, one per partition, for example [1, 2, 3] or {0: 1, 1: 2, 2: 3}"
        ],
        id="no partition",
    ),
    pytest.param(
        "  orders:",
        "  or/ders:",
        [
            "m.yaml:5: topics.or/ders: a topic name consists of ASCII letters, digits, '.', '_' and '-'; "
            "give the topic another name"
        ],
        id="name that Kafka refuses",
    ),
    pytest.param(
        "  orders:",
        "  2024:",
        ["m.yaml:5: topics[2024]: YAML reads this key as a number, and a name is needed; write it in quotes"],
        id="name that YAML reads as a number",
    ),
    pytest.param(
        "  orders:",
        "  on:",
        ["m.yaml:5: topics[True]: YAML reads this key as true or false, and a name is needed; "
         "write it in quotes"],
        id="name that YAML reads as true",
    ),
    pytest.param(
        "[1, 2]",
        "[1, 2]\n    config: {compression.type: zstd}",
        [
            "m.yaml:8: topics.orders.config['compression.type']: 'zstd' can't be used "
            "(input should be 'producer'); write producer, or leave the line out: "
            "kov stores batches as the producer compressed them"
        ],
        id="recompression",
    ),
    pytest.param(
        "[1, 2]",
        "[1, 2]\n    config: {message.timestamp.type: AppendTime}",
        [
            "m.yaml:8: topics.orders.config['message.timestamp.type']: 'AppendTime' can't be used "
            "(input should be 'CreateTime' or 'LogAppendTime'); write CreateTime or LogAppendTime"
        ],
        id="unknown timestamp type",
    ),
    pytest.param(
        "[1, 2]",
        "[1, 2]\n    config: {max.message.bytes: 1 MB}",
        [
            "m.yaml:8: topics.orders.config['max.message.bytes']: '1 MB' can't be used "
            "(input should be a valid integer); write the largest batch in bytes, for example 1048588"
        ],
        id="size as text",
    ),
    pytest.param(
        "[1, 2]",
        "[1, 2]\n    config: {retention.ms: 1}",
        [
            "m.yaml:8: topics.orders.config['retention.ms']: unknown key; "
            "known here: max.message.bytes, message.timestamp.type, message.timestamp.before.max.ms, "
            "message.timestamp.after.max.ms, cleanup.policy, compression.type"
        ],
        id="setting that is not known",
    ),
    pytest.param(
        "[1, 2]",
        "[1, 2]\ncatalog: {topic_id: 1, log_stream: 2}",
        [
            "m.yaml:7: topics.orders.partitions[1]: log stream 2 already serves catalog.log_stream; "
            "a log stream serves at most one partition: write another one"
        ],
        id="the catalog's log stream",
    ),
    pytest.param(
        "[1, 2]",
        "[1, 2]\nauto_create: {enabled: true}",
        [
            "m.yaml:1: varlog.admin: is missing, and auto_create needs it; add for example "
            "admin: 10.0.0.1:9093, or write auto_create: {enabled: false}",
            "m.yaml:8: auto_create.enabled: topics made at run time are kept in a catalog, and there is none;"
            " add for example catalog: {topic_id: 9, log_stream: 90}, or write enabled: false",
        ],
        id="creation without catalog and admin",
    ),
    pytest.param(
        "  cluster_id: 1",
        "  cluster_id: 1\n  unseal: true",
        [
            "m.yaml:3: varlog.unseal: unsealing is done through the admin server; "
            "add for example admin: 10.0.0.1:9093, or write unseal: false"
        ],
        id="unsealing without admin",
    ),
    pytest.param(
        "  orders:\n    topic_id: 1\n    partitions: [1, 2]\n",
        "",
        ["m.yaml:4: topics: is empty; write the topics by name, "
         "for example {orders: {topic_id: 1, partitions: [1, 2]}}"],
        id="no topics",
    ),
    pytest.param(
        "topics:\n  orders:\n    topic_id: 1\n    partitions: [1, 2]\n",
        "",
        [
            "m.yaml:1: topics: no topic is mapped and there is no catalog, so nothing could be produced to; "
            "write for example topics: {orders: {topic_id: 1, partitions: [1, 2]}}"
        ],
        id="nothing to serve",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "instead", "expected"), ONE_MISTAKE)
def test_a_mistake_is_named_with_its_place_and_what_to_write(
    line: str, instead: str, expected: list[str]
) -> None:
    assert line in SMALL
    assert errors_of(SMALL.replace(line, instead, 1)) == expected


# Put in place of node 2 of GOOD.
NODE_MISTAKES = [
    pytest.param(
        '{internal: {bind: "10.0.0.2:9092"}}',
        ["m.yaml:8: nodes.2.listeners: listener external of node 1 is missing; every node has the same "
         "listener names: add it here or remove it from node 1"],
        id="listener missing",
    ),
    pytest.param(
        '{internal: {bind: "10.0.0.2:9092"}, external: {bind: "10.0.0.2:9093"}, admin: {bind: "10.0.0.2:1"}}',
        ["m.yaml:8: nodes.2.listeners: node 1 has no listener admin; every node has the same listener names: "
         "remove it here or add it to node 1"],
        id="listener too many",
    ),
    pytest.param(
        '{internal: {bind: "0.0.0.0:9092"}, external: {bind: "10.0.0.2:9093"}}',
        ["m.yaml:8: nodes.2.listeners.internal.advertise: is missing, and clients can't connect to 0.0.0.0; "
         "write the name by which they reach this node, for example kov-1.example:9092"],
        id="nothing to advertise",
    ),
    pytest.param(
        '{internal: {bind: "10.0.0.2:9092", advertise: "0.0.0.0:9092"}, external: {bind: "10.0.0.2:9093"}}',
        ["m.yaml:8: nodes.2.listeners.internal.advertise: clients can't connect to 0.0.0.0:9092; write the "
         "name and port by which they reach this node, for example kov-1.example:9092"],
        id="unspecified address advertised",
    ),
    pytest.param(
        '{internal: {bind: "10.0.0.2:0"}, external: {bind: "10.0.0.2:9093"}}',
        ["m.yaml:8: nodes.2.listeners.internal.bind: 10.0.0.2:0: port 0 is no fixed port; "
         "write a port from 1 to 65535"],
        id="no fixed port",
    ),
    pytest.param(
        '{internal: {bind: "10.0.0.2:9092"}, external: {bind: "10.0.0.2:9092"}}',
        ["m.yaml:8: nodes.2.listeners.external.bind: 10.0.0.2:9092 is already listener internal's address; "
         "write another port"],
        id="two listeners on one port",
    ),
    pytest.param(
        "{}",
        ["m.yaml:8: nodes.2.listeners: {} can't be used (at least one is needed); write at least one "
         "listener, for example {internal: {bind: 0.0.0.0:9092, advertise: kov:9092}}"],
        id="no listener",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("listeners", "expected"), NODE_MISTAKES)
def test_nodes_must_agree_and_be_reachable(listeners: str, expected: list[str]) -> None:
    nodes = f"""\
nodes:
  1: {{listeners: {{internal: {{bind: "10.0.0.1:9092"}}, external: {{bind: "10.0.0.1:9093"}}}}}}
  2:
    listeners: {listeners}
"""
    lines = [line.replace("m.yaml:8", "m.yaml:11") for line in expected]
    assert errors_of(SMALL + nodes) == lines


def test_a_node_that_is_not_in_the_list_is_refused() -> None:
    nodes = 'node: {id: 3}\nnodes: {1: {listeners: {a: {bind: "10.0.0.1:9092"}}}}\n'
    assert errors_of(SMALL + nodes) == [
        "m.yaml:8: node.id: node 3 is not in nodes; write one of 1, or add it to nodes"
    ]


def test_a_node_s_key_must_be_a_number() -> None:
    nodes = 'nodes: {one: {listeners: {a: {bind: "10.0.0.1:9092"}}}}\n'
    assert errors_of(SMALL + nodes) == [
        "m.yaml:8: nodes.one: the key 'one' is not a number; write a node's number, for example 1"
    ]


def test_all_mistakes_are_listed_at_once_in_the_order_of_the_file() -> None:
    text = """\
varlog: {cluster_id: x, metadata_repositories: ["h"]}
topics:
  a: {topic_id: 0, partitions: [1]}
  b: {topic_id: 1, partition: [2]}
"""
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in errors_of(text)] == [
        "m.yaml:1 varlog.cluster_id",
        "m.yaml:1 varlog.metadata_repositories[0]",
        "m.yaml:3 topics.a.topic_id",
        "m.yaml:4 topics.b.partitions",
        "m.yaml:4 topics.b.partition",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2\nb: 3\n", "m.yaml:2:2: "),
        ("a: 1\n\tb: 2\n", "m.yaml:2:1: "),
        ("a: 1\nb: 2\na: 3\n", "m.yaml:3:1: the key 'a' stands here for the second time (first in line 1); "
                                "keep one of the two"),
        ("t:\n  x: {y: 1, y: 2}\n", "m.yaml:2:13: the key 'y' stands here for the second time"),
        ("a: 1\n---\nb: 2\n", "m.yaml:2:1: expected a single document in the stream"),
        ("", "m.yaml:1: the file is empty; write at least varlog: "),
        ("# only a comment\n", "m.yaml:1: the file is empty; write at least varlog: "),
        ("- a\n- b\n", "m.yaml:1: the file holds no keys; write at least varlog: "),
        ("a: !!python/object:os.system {}\n", "m.yaml:1:4: could not determine a constructor for the tag"),
    ],
)  # fmt: skip
def test_what_is_not_yaml_is_refused_with_line_and_column(text: str, expected: str) -> None:
    (line,) = errors_of(text)
    assert line.startswith(expected)


def test_an_alias_stands_in_two_places_and_is_no_duplicate() -> None:
    text = SMALL.replace("[1, 2]", "[1, 2]\n    config: &c {max.message.bytes: 5}")
    text += "  more: {topic_id: 1, partitions: [3], config: *c}\n"
    assert [t.config.max_message_bytes for t in read_text(text, source="m.yaml").topics] == [5, 5]


def test_a_file_that_is_not_there_or_not_text_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: the file can't be read: No such file or directory"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="the file can't be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "image.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file in UTF-8"):
        load(tmp_path / "image.yaml")


def test_ten_thousand_partitions_are_read_in_good_time(tmp_path: Path) -> None:
    partitions = ", ".join(str(n + 10) for n in range(10_000))
    text = SMALL.replace("[1, 2]", f"[{partitions}]")
    (topic,) = read_text(text, source="m.yaml").topics
    assert topic.log_streams == tuple(range(10, 10_010))
    assert errors_of(text.replace("10009]", "10]"))[0].startswith(
        "m.yaml:7: topics.orders.partitions[9999]: "
    )
