"""What `varlogctl ls seal` does, for pages that show a sealed log stream: ADMIN VARLOG_TOPIC LOG_STREAM."""

from __future__ import annotations

import asyncio
import sys

from varlog_client import Admin, LogStreamId, TopicId


async def seal(admin_address: str, topic: TopicId, log_stream: LogStreamId) -> None:
    async with await Admin.connect(admin_address) as admin:
        await admin.seal(topic, log_stream)


if __name__ == "__main__":
    _, address, topic_id, log_stream_id = sys.argv
    asyncio.run(seal(address, TopicId(int(topic_id)), LogStreamId(int(log_stream_id))))
