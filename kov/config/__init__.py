"""The configuration: `load` a mapping file, or take the embedded default."""

from __future__ import annotations

from pathlib import Path

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
    "load",
]


def load(path: Path, *, node_id: int | None = None) -> Config:
    """Read and check the mapping file; `node_id` stands in for the file's `node.id`.

    Raises ConfigError, whose text has one line for every mistake: file, line, path in the file, what is
    wrong and what to write instead. Reads the file, connects to nothing.
    """
    # pydantic and YAML cost a tenth of a second, which a start without a file need not pay.
    from kov.config.mapping_file import read  # noqa: PLC0415

    return read(path, node_id=node_id)
