"""The configuration: `load` a mapping file, or take the embedded default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from kov.config.values import (
    DEFAULT_LISTEN,
    DEFAULT_LISTENER_NAME,
    AutoCreate,
    CatalogConfig,
    Config,
    ConnectionLimits,
    Listener,
    NodeConfig,
    VarlogConfig,
    embedded_config,
)

__all__ = [
    "DEFAULT_LISTEN",
    "DEFAULT_LISTENER_NAME",
    "AutoCreate",
    "CatalogConfig",
    "Config",
    "ConnectionLimits",
    "Listener",
    "NodeConfig",
    "VarlogConfig",
    "embedded_config",
    "from_environment",
    "load",
    "read_bytes",
]

_OF_THE_FILE: Final = re.compile(r"KOV_(TOPICS$|NODES$|.*__)")


def load(path: Path, *, node_id: int | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check the mapping file; `node_id` stands in for the file's `node.id`, and what `environment`
    says for the file's values.

    Raises ConfigError, whose text has one line for every mistake: file, line, path in the file, what is
    wrong and what to write instead. Reads the file, connects to nothing.
    """
    # pydantic and YAML cost a tenth of a second, which a start without a file need not pay.
    from kov.config.mapping_file import read  # noqa: PLC0415

    return read(path, node_id=node_id, environment=environment)


def read_bytes(
    data: bytes, *, source: str, node_id: int | None = None, environment: Mapping[str, str] = os.environ
) -> Config:
    """The same for the bytes of a file that were read already; `source` names it in errors."""
    from kov.config import mapping_file  # noqa: PLC0415 - as above

    return mapping_file.read_bytes(data, source=source, node_id=node_id, environment=environment)


def from_environment(*, node_id: int | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """What `kov serve` runs with when it is given no file: the embedded store, unless the environment names
    a cluster. Raises ConfigError."""
    if not any(_OF_THE_FILE.match(name) for name in environment):
        config = embedded_config()
        return config if node_id is None else replace(config, node_id=node_id)
    from kov.config import mapping_file  # noqa: PLC0415 - as above

    return mapping_file.from_environment(node_id=node_id, environment=environment)
