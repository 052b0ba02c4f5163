"""Where a command's cluster is: named by the mapping file, or an embedded store.

To change something an embedded store's kov has to be stopped; to read, its store is asked as it runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from kov.config import CatalogConfig, Config, VarlogConfig
from kov.data_directory import InUse
from kov.embedded import EmbeddedStore
from kov.embedded_cluster import cluster_at, cluster_in
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


@asynccontextmanager
async def cluster_to_read(
    config: Config, data: Path | None
) -> AsyncIterator[tuple[VarlogConfig, CatalogConfig | None]]:
    """`cluster_of`, or where a kov is using the store, the store as that kov runs it."""
    async with AsyncExitStack() as stack:
        try:
            found = await stack.enter_async_context(cluster_of(config, data))
        except InUse as in_use:
            if data is None or not in_use.store:
                raise
            found = await cluster_at(data, in_use.store)
        yield found
