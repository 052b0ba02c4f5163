"""The embedded store's process, where it does not find its directory free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kov import embedded
from kov.embedded import EmbeddedStore
from kov.errors import CannotStart
from varlog_client import Admin
from varlog_lite.server import LiteServer


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path)
    yield store
    await store.close()


async def test_it_waits_for_a_store_that_is_about_to_end(tmp_path: Path, store: EmbeddedStore) -> None:
    left_over = LiteServer(tmp_path / "varlog")
    await left_over.start()
    await store.spawn()
    ready = asyncio.create_task(store.ready())
    first = store.pid
    while store.pid == first:  # refused once
        await asyncio.sleep(0.01)
    await left_over.stop()

    await ready
    async with await Admin.connect(store.address) as admin:
        assert await admin.list_topics() == ()


async def test_it_does_not_wait_for_ever(
    tmp_path: Path, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LEFT_OVER_TIMEOUT_S", 0.0)
    async with LiteServer(tmp_path / "varlog"):
        await store.spawn()
        with pytest.raises(CannotStart, match=r"the embedded store can't start: .* is in use by another"):
            await store.ready()


async def test_a_directory_is_free_again_when_the_store_was_closed(
    tmp_path: Path, store: EmbeddedStore
) -> None:
    await store.spawn()
    await store.ready()
    with pytest.raises(CannotStart, match="in use by another kov"):
        await EmbeddedStore(tmp_path).spawn()
    await store.close()
    await store.close()

    again = EmbeddedStore(tmp_path)
    await again.spawn()
    await again.ready()
    await again.close()
