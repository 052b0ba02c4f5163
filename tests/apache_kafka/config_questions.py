"""Requests that ask for settings and change them: good, bad and odd ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tests.apache_kafka.questions import Question
from tests.apache_kafka.topic_questions import TOGETHER, VALUES
from tests.kov.kafka_table.side import TopicSpec, asking

_TOPIC, _BROKER, _LOGGER, _METRICS, _GROUP = 2, 4, 8, 16, 32
_SET, _DELETE, _APPEND, _SUBTRACT = 0, 1, 2, 3

TOPICS: Final = (
    TopicSpec("plain-settings", 1, {}),
    TopicSpec("own-settings", 1, {"max.message.bytes": "5000", "cleanup.policy": "compact"}),
    TopicSpec("changing", 1, {"max.message.bytes": "5000", "retention.ms": "7"}),
    TopicSpec("listing", 1, {}),
    TopicSpec("valued", 1, {}),
    TopicSpec("whole", 1, {"max.message.bytes": "5000", "retention.ms": "7"}),
)

_Edit = tuple[str, int, str | None]


def describing(
    what: str,
    *resources: tuple[int, str, Sequence[str] | None],
    version: int = 4,
    synonyms: bool = True,
    documentation: bool = False,
) -> Question:
    asked = [
        {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
        for kind, name, keys in resources
    ]
    return Question(
        f"DescribeConfigs v{version}, {what}",
        lambda _: asking(
            32, version, resources=asked, include_synonyms=synonyms, include_documentation=documentation
        ),
    )


def descriptions() -> Iterator[Question]:
    one = ["max.message.bytes", "cleanup.policy"]
    for version in range(1, 5):
        yield describing("a topic", (_TOPIC, "own-settings", None), version=version)
        yield describing("a topic without synonyms", (_TOPIC, "own-settings", None), version=version,
                         synonyms=False)  # fmt: skip
        yield describing("two settings", (_TOPIC, "plain-settings", one), version=version)
        yield describing("an unknown topic", (_TOPIC, "missing", None), version=version)
        if version >= 3:
            yield describing("documentation", (_TOPIC, "own-settings", None), version=version,
                             documentation=True)  # fmt: skip
        broker = ["num.partitions", "message.max.bytes", "log.retention.ms", "auto.create.topics.enable"]
        yield describing("settings of a node", (_BROKER, "1", broker), version=version)
    yield describing("all settings of a node", (_BROKER, "1", None))
    yield describing("documented settings of a node", (_BROKER, "1", ["num.partitions"]), documentation=True)
    yield describing("no settings", (_TOPIC, "own-settings", []))
    yield describing("unknown settings", (_TOPIC, "own-settings", ["no.such.setting"]))
    yield describing("a setting twice", (_TOPIC, "own-settings", [*one, *one]))
    yield describing("a topic twice", (_TOPIC, "own-settings", one), (_TOPIC, "own-settings", one))
    yield describing("nothing")
    for name in ("", ".", "a b", "x" * 250):
        yield describing(f"a topic named {name[:20]!r}", (_TOPIC, name, None))
    for name in ("", "77", "-1", "x", "1 ", "01", "99999999999"):
        yield describing(f"the node {name!r}", (_BROKER, name, ["num.partitions"]))
    for name in ("", "77", "x"):
        yield describing(f"the loggers of node {name!r}", (_LOGGER, name, ["no.such.logger"]))
    for name in ("", "no-such-metrics", "x"):
        yield describing(f"client metrics {name!r}", (_METRICS, name, ["interval.ms"]))
    for kind in (0, 1, 3, 5, 64, -1, 127):
        yield describing(f"resource type {kind}", (kind, "own-settings", None))
    yield describing(
        "good and bad", (_TOPIC, "own-settings", one), (_TOPIC, "missing", one), (3, "x", None),
        (_BROKER, "1", ["num.partitions"]),
    )  # fmt: skip


def altering(
    what: str,
    *resources: tuple[int, str, Sequence[_Edit]],
    version: int = 1,
    validate_only: bool = False,
) -> Question:
    asked = [
        {
            "resource_type": kind,
            "resource_name": name,
            "configs": [
                {"name": key, "config_operation": operation, "value": value}
                for key, operation, value in edits
            ],
        }
        for kind, name, edits in resources
    ]
    return Question(
        f"IncrementalAlterConfigs v{version}, {what}",
        lambda _: asking(44, version, resources=asked, validate_only=validate_only),
    )


_EDITS: Final[Sequence[tuple[str, Sequence[_Edit]]]] = (
    ("no edit", ()),
    ("one set", (("max.message.bytes", _SET, "6000"),)),
    ("the same again", (("max.message.bytes", _SET, "6000"),)),
    ("one deleted", (("retention.ms", _DELETE, None),)),
    ("one deleted that isn't set", (("segment.ms", _DELETE, None),)),
    ("one deleted with a value", (("max.message.bytes", _DELETE, "6000"),)),
    ("an unknown one set", (("no.such.setting", _SET, "1"),)),
    ("an unknown one deleted", (("no.such.setting", _DELETE, None),)),
    ("an unknown one appended to", (("no.such.setting", _APPEND, "1"),)),
    ("null", (("max.message.bytes", _SET, None),)),
    ("null appended", (("cleanup.policy", _APPEND, None),)),
    ("an empty name", (("", _SET, "1"),)),
    ("one twice", (("max.message.bytes", _SET, "7000"), ("max.message.bytes", _SET, "8000"))),
    ("one set and deleted", (("max.message.bytes", _SET, "7000"), ("max.message.bytes", _DELETE, None))),
    ("an unknown operation", (("max.message.bytes", 4, "7000"),)),
    ("operation -1", (("max.message.bytes", -1, "7000"),)),
    ("a number appended to", (("max.message.bytes", _APPEND, "7000"),)),
    ("a number subtracted from", (("max.message.bytes", _SUBTRACT, "7000"),)),
    ("a good and a bad one", (("max.message.bytes", _SET, "7000"), ("retention.ms", _SET, "x"))),
    ("an older setting kept", (("retention.ms", _SET, "9"),)),
    ("compacted later than that", (("min.compaction.lag.ms", _SET, "5"),)),
    ("compacted sooner", (("max.compaction.lag.ms", _SET, "4"),)),
)

_LISTS: Final[Sequence[tuple[str, int, str]]] = (
    ("cleanup.policy", _APPEND, "compact"),
    ("cleanup.policy", _APPEND, "compact"),
    ("cleanup.policy", _SUBTRACT, "delete"),
    ("cleanup.policy", _SUBTRACT, "delete"),
    ("cleanup.policy", _APPEND, "delete,compact"),
    ("cleanup.policy", _APPEND, "other"),
    ("cleanup.policy", _APPEND, ""),
    ("cleanup.policy", _SUBTRACT, "compact,delete"),
    ("cleanup.policy", _APPEND, "delete"),
    ("leader.replication.throttled.replicas", _APPEND, "0:1"),
    ("leader.replication.throttled.replicas", _APPEND, "1:1"),
    ("leader.replication.throttled.replicas", _SUBTRACT, "0:1"),
    ("leader.replication.throttled.replicas", _APPEND, "*"),
)


def alterations() -> Iterator[Question]:
    seen = ["max.message.bytes", "retention.ms", "min.compaction.lag.ms", "max.compaction.lag.ms"]
    for version in range(2):
        yield altering("a topic and an unknown one", (_TOPIC, "changing", [("segment.ms", _SET, "5")]),
                       (_TOPIC, "missing", [("segment.ms", _SET, "5")]), version=version)  # fmt: skip
    for what, edits in _EDITS:
        yield altering(f"{what}, checked", (_TOPIC, "changing", edits), validate_only=True)
        yield altering(what, (_TOPIC, "changing", edits))
        yield describing(f"after {what}", (_TOPIC, "changing", seen))
    for number, (key, operation, value) in enumerate(_LISTS):
        how = "append" if operation == _APPEND else "subtract"
        yield altering(f"{number}: {how} {value!r} to {key}", (_TOPIC, "listing", [(key, operation, value)]))
        yield describing(f"after list edit {number}", (_TOPIC, "listing", [key]))
    for key, value in VALUES:
        yield altering(f"{key}={value!r}", (_TOPIC, "valued", [(key, _SET, value)]), validate_only=True)
    for pairs in TOGETHER:
        what = " and ".join("=".join(each) for each in pairs)
        edits = [(key, _SET, value) for key, value in pairs]
        yield altering(what, (_TOPIC, "valued", edits), validate_only=True)
    yield altering("nothing")
    good = [("retention.ms", _SET, "1")]
    yield altering("a topic twice", (_TOPIC, "valued", good), (_TOPIC, "valued", good))
    yield altering("a topic twice and another", (_TOPIC, "valued", good), (_TOPIC, "listing", good),
                   (_TOPIC, "valued", good))  # fmt: skip
    for name in ("", ".", "a b", "x" * 250):
        yield altering(f"a topic named {name[:20]!r}", (_TOPIC, name, good))
    for kind in (0, 1, 3, 5, 64, -1, 127):
        yield altering(f"resource type {kind}", (kind, "valued", good), validate_only=True)
    for name in ("", "1", "77", "x"):
        yield altering(f"the node {name!r}", (_BROKER, name, [("log.cleaner.threads", _SET, "2")]),
                       validate_only=True)  # fmt: skip
    for name in ("1", "77", "x"):
        yield altering(f"the loggers of node {name!r}", (_LOGGER, name, [("no.such.logger", _SET, "INFO")]),
                       validate_only=True)  # fmt: skip


def replacing(
    what: str,
    *resources: tuple[int, str, Sequence[tuple[str, str | None]]],
    version: int = 2,
    validate_only: bool = False,
) -> Question:
    asked = [
        {
            "resource_type": kind,
            "resource_name": name,
            "configs": [{"name": key, "value": value} for key, value in pairs],
        }
        for kind, name, pairs in resources
    ]
    return Question(
        f"AlterConfigs v{version}, {what}",
        lambda _: asking(33, version, resources=asked, validate_only=validate_only),
    )


def replacements() -> Iterator[Question]:
    seen = ["max.message.bytes", "retention.ms"]
    for version in range(3):
        yield replacing("a topic and an unknown one", (_TOPIC, "whole", [("max.message.bytes", "6000")]),
                        (_TOPIC, "missing", []), version=version)  # fmt: skip
        yield describing(f"after AlterConfigs v{version}", (_TOPIC, "whole", seen))
    for what, pairs in (
        ("an unknown setting", [("no.such.setting", "1")]),
        ("null", [("max.message.bytes", None)]),
        ("a setting twice", [("retention.ms", "1"), ("retention.ms", "2")]),
        ("a bad value", [("retention.ms", "x")]),
        ("an empty name", [("", "x")]),
        ("nothing set", []),
        ("a list", [("cleanup.policy", "compact,delete")]),
    ):
        yield replacing(f"{what}, checked", (_TOPIC, "whole", pairs), validate_only=True)
        yield replacing(what, (_TOPIC, "whole", pairs))
        yield describing(f"after AlterConfigs with {what}", (_TOPIC, "whole", [*seen, "cleanup.policy"]))
    yield replacing("nothing")
    for kind in (0, 1, 3, 64, -1):
        yield replacing(f"resource type {kind}", (kind, "whole", []), validate_only=True)
    for name in ("", "1", "77", "x"):
        yield replacing(f"the node {name!r}", (_BROKER, name, []), validate_only=True)
    for name in ("", "a b"):
        yield replacing(f"a topic named {name!r}", (_TOPIC, name, []))


CONFIG_QUESTIONS: Final = (*descriptions(), *alterations(), *replacements())
