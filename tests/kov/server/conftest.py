"""A cluster for servers that are given a mapping file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kov.config import Config, load
from varlog_client import Admin, LogStreamId, TopicId
from varlog_lite.server import LiteServer


@dataclass
class Cluster:
    """A store with Varlog topic 1 of log streams 1, 2, 3 and topic 2 of log stream 4."""

    server: LiteServer
    admin: Admin
    directory: Path

    def config(self, text: str, *, unseal: bool = False) -> Config:
        """The configuration of a mapping file that says `text` besides where this cluster is."""
        path = self.directory / "m.yaml"
        address = self.server.address
        more = ", unseal: true" if unseal else ""
        varlog = (
            f'varlog: {{cluster_id: 1, metadata_repositories: ["{address}"], admin: "{address}"{more}}}\n'
        )
        path.write_text(varlog + text)
        return load(path)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with LiteServer(tmp_path / "varlog") as server, await Admin.connect(server.address) as admin:
        for topic_id, log_streams in ((1, (1, 2, 3)), (2, (4,))):
            assert (await admin.add_topic()).topic_id == topic_id
            for log_stream_id in log_streams:
                made = await admin.add_log_stream(TopicId(topic_id))
                assert made.log_stream_id == LogStreamId(log_stream_id)
        yield Cluster(server, admin, tmp_path)
