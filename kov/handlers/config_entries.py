"""Settings as DescribeConfigs and CreateTopics show them: values, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from kov import broker_config_keys, topic_config
from kov.config_keys import ConfigKey


class Source(IntEnum):
    """As numbered in the protocol."""

    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Synonym:
    """A setting that gives the value where those before it are not set."""

    name: str
    value: str
    source: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    key: ConfigKey
    value: str
    source: int
    read_only: bool
    synonyms: tuple[Synonym, ...]


def of_topic(written: Mapping[str, str], settings: Mapping[str, str], *, read_only: bool) -> Sequence[Entry]:
    """Every topic setting, sorted by name. `settings` are this node's own."""
    return [_of_topic(key, written.get(key.name), settings, read_only) for key in topic_config.KEYS.values()]


def _of_topic(key: ConfigKey, given: str | None, settings: Mapping[str, str], read_only: bool) -> Entry:
    synonyms = [] if given is None else [Synonym(name=key.name, value=given, source=Source.TOPIC)]
    if key.broker_name is not None:
        synonyms += _of_broker(broker_config_keys.KEYS[key.broker_name], settings).synonyms
    first = synonyms[0] if synonyms else Synonym(name=key.name, value=key.default, source=Source.DEFAULT)
    return Entry(
        key=key, value=first.value, source=first.source, read_only=read_only, synonyms=tuple(synonyms)
    )


def of_broker(settings: Mapping[str, str]) -> Sequence[Entry]:
    """Every setting of a node, sorted by name. All are read only."""
    return [_of_broker(key, settings) for key in broker_config_keys.KEYS.values()]


def _of_broker(key: ConfigKey, settings: Mapping[str, str]) -> Entry:
    default = Synonym(name=key.name, value=key.default, source=Source.DEFAULT)
    given = settings.get(key.name)
    own = [] if given is None else [Synonym(name=key.name, value=given, source=Source.STATIC_BROKER)]
    synonyms = (*own, default)
    return Entry(
        key=key, value=synonyms[0].value, source=synonyms[0].source, read_only=True, synonyms=synonyms
    )
