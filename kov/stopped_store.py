"""Where a command's cluster is: named by the mapping file, or the embedded store of a stopped kov."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kov.catalog.bootstrap import find_or_make
from kov.config import CatalogConfig, Config, VarlogConfig
from kov.embedded import EMBEDDED_CLUSTER_ID, EmbeddedStore
from kov.errors import ConfigError
from varlog_client import Admin
from varlog_client.types import ClusterId


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
        await store.ready()
        async with await Admin.connect(store.address) as admin:
            topic_id, log_stream_id = await find_or_make(admin)
        varlog = VarlogConfig(
            cluster_id=ClusterId(EMBEDDED_CLUSTER_ID),
            metadata_repositories=(store.address,),
            admin=store.address,
        )
        yield varlog, CatalogConfig(topic_id=topic_id, log_stream_id=log_stream_id)
    finally:
        await store.close()
