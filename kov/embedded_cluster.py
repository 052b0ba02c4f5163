"""The embedded store seen as a Varlog cluster: where it is reached, and where its catalog lies."""

from __future__ import annotations

from kov.catalog import CatalogError
from kov.catalog.bootstrap import find_or_make
from kov.config import CatalogConfig, VarlogConfig
from kov.embedded import EMBEDDED_CLUSTER_ID, EmbeddedStore
from kov.errors import CannotStart
from varlog_client import Admin
from varlog_client.errors import VarlogError
from varlog_client.types import ClusterId


async def cluster_in(store: EmbeddedStore) -> tuple[VarlogConfig, CatalogConfig]:
    """Waits until the store, spawned already, answers; its first start makes the catalog.

    Raises CannotStart.
    """
    await store.ready()
    try:
        async with await Admin.connect(store.address) as admin:
            topic_id, log_stream_id = await find_or_make(admin)
    except (CatalogError, VarlogError) as error:
        raise CannotStart(f"the embedded store in {store.directory}: {error}") from error
    varlog = VarlogConfig(
        cluster_id=ClusterId(EMBEDDED_CLUSTER_ID),
        metadata_repositories=(store.address,),
        admin=store.address,
    )
    return varlog, CatalogConfig(topic_id=topic_id, log_stream_id=log_stream_id)
