"""Creation on a real cluster, where a log stream takes seconds to be made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kov.catalog import Catalog, Creator
from kov.catalog.writer import CatalogWriter
from kov.topics import Topic
from tests.real_varlog import missing_programs, start_real_varlog
from varlog_client import Admin, Log


@pytest.mark.real
@pytest.mark.slow
async def test_topics_made_at_once_by_two_nodes_can_be_appended_to(tmp_path: Path) -> None:
    if reason := missing_programs():
        pytest.skip(reason)
    async with start_real_varlog(tmp_path, storage_nodes=2, replication_factor=2) as cluster:
        topic_id = await cluster.add_topic()
        log_stream_id = await cluster.add_log_stream(topic_id)
        async with (
            await Log.open(1, [cluster.metadata_repository]) as one,
            await Log.open(1, [cluster.metadata_repository]) as two,
        ):
            catalogs = [Catalog(log, topic_id, log_stream_id, on_change=lambda _: None) for log in (one, two)]
            for catalog in catalogs:
                await catalog.open(timeout_s=20)
            creators = [Creator(catalog, cluster.admin) for catalog in catalogs]
            made = await asyncio.gather(
                *(creator.create(name, 2, {}) for creator in creators for name in ("a", "b"))
            )
            topics: dict[str, Topic] = {topic.name: topic for topic in made}
            assert len(set(made)) == len(topics) == 2

            for topic in topics.values():
                for log_stream in topic.log_streams:
                    writer = CatalogWriter(two, topic.topic_id, log_stream, call_timeout_s=20)
                    assert await writer.append(b"entry") == 1
                    await writer.close()
            async with await Admin.connect(cluster.admin) as admin:
                left = {each.topic_id for each in await admin.list_topics() if not each.deleted}
            assert left == {topic_id, *(topic.topic_id for topic in topics.values())}
            for catalog in catalogs:
                await catalog.close()
