"""What `kov serve` is to run with: the command line before the environment before the mapping file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kov import listening
from kov.address import Address, NamedAddress
from kov.config import Config, from_environment, load
from kov.errors import ConfigError
from kov.reload.reloader import MappingFile

_log: Final = logging.getLogger(__name__)

DEFAULT_DATA: Final = Path("./kov-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The command line. `environment` names those that came from there: where they don't fit what else there
    is, they are left out, for an image sets them for every container that is made of it."""

    file: Path | None
    listen: Sequence[NamedAddress] = ()
    advertise: Sequence[NamedAddress] = ()
    data: Path | None = None
    node_id: int | None = None
    http: Address | None = None
    count: int = 1
    environment: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`data`: the embedded store's directory, where there is one. `file`: what to watch, if there is one."""

    config: Config
    data: Path | None
    file: MappingFile | None


def resolve(wishes: Wishes) -> Run:
    """Raises ConfigError."""
    if wishes.file is None:
        config = from_environment(node_id=wishes.node_id)
        file = None
    else:
        config = load(wishes.file, node_id=wishes.node_id)
        file = MappingFile(path=wishes.file, loaded=config, node_id=wishes.node_id)
    data = _data(wishes, config)
    config = _with_listeners(wishes, config)
    return Run(
        config=replace(config, http=listening.first_of(wishes.http or config.http, wishes.count)),
        data=data,
        file=file,
    )


def _data(wishes: Wishes, config: Config) -> Path | None:
    if config.varlog is None:
        return wishes.data or DEFAULT_DATA
    if wishes.data is not None and "data" not in wishes.environment:
        raise ConfigError(
            f"--data is for the embedded store, and {config.source} names a cluster; leave one of the two out"
        )
    return None


def _with_listeners(wishes: Wishes, config: Config) -> Config:
    if not config.nodes:
        first = listening.listeners(wishes.listen, wishes.advertise)
        return config.with_nodes(listening.in_a_row(first, wishes.count))
    _refuse(
        wishes,
        ("listen", "advertise"),
        f"{config.source} says in nodes where to listen; leave --listen and --advertise out",
    )
    if wishes.count > 1:
        raise ConfigError(
            f"{config.source} lists the nodes; leave --workers out and run `kov serve {config.source} "
            "--node-id ID` for each of them"
        )
    return config


def _refuse(wishes: Wishes, names: Sequence[str], why: str) -> None:
    """Raises ConfigError, but for those that came from the environment only says so."""
    given = [name for name in names if getattr(wishes, name)]
    if any(name not in wishes.environment for name in given):
        raise ConfigError(why)
    for name in given:
        _log.warning("KOV_%s is not used: %s", name.upper(), why)
