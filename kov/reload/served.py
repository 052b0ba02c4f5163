"""The topics that a server took from its mapping file, and how others take their place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from kov.catalog import Catalog
from kov.config import Config
from kov.errors import ConfigError
from kov.topic_table import Topics
from varlog_client import Log
from varlog_client.errors import VarlogError

_log: Final = logging.getLogger(__name__)
_NAMED: Final = 10


class ServedTopics:
    """`catalog` is None where the configuration names none."""

    def __init__(self, log: Log, topics: Topics, catalog: Catalog | None) -> None:
        self._log = log
        self._topics = topics
        self._catalog = catalog

    async def replace(self, config: Config) -> None:
        """The mapping file's topics are those of `config` from now on.

        Requests that are under way in a topic that is gone are answered, later ones are refused with 3. Asks
        the cluster for its log streams first, so as to say which are missing. Raises ConfigError for a name
        that the catalog has too; then nothing has changed.
        """
        self._refuse_doubly_named(config)
        try:
            await self._log.refresh()
        except VarlogError as error:
            _log.warning("whether the cluster has every log stream can't be told now: %s", error)
        else:
            say_what_is_missing(config, self._log)
        self._refuse_doubly_named(config)  # the catalog may have changed meanwhile
        self._topics.replace_mapped(config.topics)

    def _refuse_doubly_named(self, config: Config) -> None:
        if self._catalog is not None:
            refuse_doubly_named(config, self._catalog)


def say_what_is_missing(config: Config, log: Log) -> None:
    """Topics that can't be produced to are no reason to refuse the others."""
    known = log.metadata.log_streams
    for topic in config.topics:
        missing = [str(each) for each in topic.log_streams if each not in known]
        if missing:
            _log.warning(
                "topics.%s: the cluster has no log stream %s; `kov check %s` says what to do",
                topic.name,
                _some(missing),
                config.source,
            )


def _some(names: Sequence[str]) -> str:
    """Of thousands the first ones, and how many more."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def refuse_doubly_named(config: Config, catalog: Catalog) -> None:
    """Raises ConfigError for the first name that both have: only people can sort that out."""
    mapped = {topic.name: topic for topic in config.topics}
    for name in sorted(topic.name for topic in catalog.topics):
        if name in mapped:
            raise ConfigError(
                f"{mapped[name].where or config.source}: topics.{name}: the catalog has a topic of this name "
                "too; take it out of the file, or give it another name there"
            )
