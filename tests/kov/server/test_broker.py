"""Who leads what: the same on every node and in every version of kov."""

from __future__ import annotations

from collections import Counter
from typing import cast
from uuid import UUID

from kov.broker import Broker, Node, kafka_cluster_id, rendezvous
from kov.partition.identity import WriterIdentity
from kov.partition.table import PartitionTable
from kov.topic_table import Topics
from kov.topics import Origin, Topic
from varlog_client import ClusterId, Log, LogStreamId, TopicId

TOPIC = UUID("00112233-4455-6677-8899-aabbccddeeff")
LEADERS = [2, 1, 3, 2, 1, 2, 1, 2, 3, 1, 2, 2]


def test_the_hash_is_the_documented_one() -> None:
    # Worked out once; nodes of different versions must agree, so these never change.
    assert [rendezvous(1, TOPIC, index, [1, 2, 3]) for index in range(12)] == LEADERS
    assert [rendezvous(1, TOPIC, index, [3, 1, 2]) for index in range(12)] == LEADERS


def test_cluster_and_topic_matter_too() -> None:
    here = [rendezvous(1, TOPIC, index, range(1, 6)) for index in range(50)]
    assert here != [rendezvous(2, TOPIC, index, range(1, 6)) for index in range(50)]
    assert here != [rendezvous(1, UUID(int=1), index, range(1, 6)) for index in range(50)]


def test_partitions_are_spread_over_the_nodes() -> None:
    led = Counter(rendezvous(1, TOPIC, index, [1, 2, 3, 4]) for index in range(1000))
    assert sorted(led) == [1, 2, 3, 4]
    assert all(190 < partitions < 310 for partitions in led.values())


def test_a_node_that_leaves_moves_only_its_own_partitions() -> None:
    for index in range(200):
        before = rendezvous(1, TOPIC, index, [1, 2, 3])
        after = rendezvous(1, TOPIC, index, [1, 2])
        assert after == before or before == 3


def test_the_cluster_id_is_kafka_s_form_and_stays() -> None:
    assert kafka_cluster_id(1) == "Iz5ey4RXWDe8qq0gNcXtcg"
    assert len(kafka_cluster_id(2)) == 22
    assert kafka_cluster_id(2) != kafka_cluster_id(1)


def test_nodes_are_named_as_each_listener_advertises_them() -> None:
    internal = [Node(node_id=1, host="a", port=1), Node(node_id=2, host="b", port=2, rack="r")]
    external = [Node(node_id=1, host="x", port=3), Node(node_id=2, host="y", port=4, rack="r")]
    broker = Broker(
        cluster_id=ClusterId(1),
        node_id=2,
        nodes={"internal": internal, "external": external},
        topics=Topics(),
        partitions=PartitionTable(cast("Log", None), cluster_id=1, writer=WriterIdentity(node_id=2)),
    )
    assert list(broker.nodes("internal")) == internal
    assert list(broker.nodes("external")) == external
    topic = Topic(
        name="t",
        uuid=TOPIC,
        topic_id=TopicId(1),
        log_streams=(LogStreamId(1), LogStreamId(2)),
        origin=Origin.FILE,
    )
    assert [broker.leader_of(topic, index) for index in (0, 1)] == [
        rendezvous(1, TOPIC, index, [1, 2]) for index in (0, 1)
    ]
    assert broker.partition(topic, 1) is broker.partition(topic, 1)
    assert broker.partition(topic, 1).index == 1
