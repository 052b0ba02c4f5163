"""Where a command's cluster is: named by the mapping file, or the embedded store of a stopped kov."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kov.config import CatalogConfig, Config, VarlogConfig
from kov.embedded import EmbeddedStore
from kov.embedded_cluster import cluster_in
from kov.errors import ConfigError


@asynccontextmanager
async def cluster_of(
    config: Config, data: Path | None
) -> AsyncIterator[tuple[VarlogConfig, CatalogConfig | None]]:
    """Without `data` the cluster of `config`; else the store in that directory, run meanwhile.

    Raises ConfigError, CannotStart where a kov is using the store, CatalogError and VarlogError.
    """
    if data is None:
        assert config.varlog is not None, "a mapping file names its cluster"
        yield config.varlog, config.catalog
        return
    if not (data / "varlog").is_dir():
        raise ConfigError(f"there is no embedded store in {data}; name its directory with --data")
    store = EmbeddedStore(data)
    try:
        await store.spawn()
        yield await cluster_in(store)
    finally:
        await store.close()
