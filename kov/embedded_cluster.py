"""The embedded store seen as a Varlog cluster: where it is reached, and where its catalog lies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from kov.catalog import CatalogError
from kov.catalog.bootstrap import find, find_or_make
from kov.config import CatalogConfig, VarlogConfig
from kov.embedded import EMBEDDED_CLUSTER_ID, EmbeddedStore
from kov.errors import CannotStart
from varlog_client import Admin
from varlog_client.errors import VarlogError
from varlog_client.types import ClusterId, LogStreamId, TopicId

_Search = Callable[[Admin], Awaitable[tuple[TopicId, LogStreamId]]]


async def cluster_in(store: EmbeddedStore) -> tuple[VarlogConfig, CatalogConfig]:
    """Waits until the store, spawned already, answers; its first start makes the catalog.

    Raises CannotStart.
    """
    await store.ready()
    return await _cluster(store.directory, store.address, find_or_make)


async def cluster_at(directory: Path, address: str) -> tuple[VarlogConfig, CatalogConfig]:
    """The same of a store that another kov runs, making nothing. Raises CannotStart."""
    return await _cluster(directory, address, find)


async def _cluster(directory: Path, address: str, search: _Search) -> tuple[VarlogConfig, CatalogConfig]:
    try:
        async with await Admin.connect(address) as admin:
            topic_id, log_stream_id = await search(admin)
    except (CatalogError, VarlogError) as error:
        raise CannotStart(f"the embedded store in {directory}: {error}") from error
    varlog = VarlogConfig(
        cluster_id=ClusterId(EMBEDDED_CLUSTER_ID), metadata_repositories=(address,), admin=address
    )
    return varlog, CatalogConfig(topic_id=topic_id, log_stream_id=log_stream_id)
