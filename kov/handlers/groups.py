"""How consumer groups are refused as long as they aren't served: at once, for good, everywhere alike.

30 (GROUP_AUTHORIZATION_FAILED), which no client tries again for long and every client hands to the
application. It is the answer to what a member does (JoinGroup, ConsumerGroupHeartbeat, OffsetCommit,
OffsetFetch) and not to the search for a coordinator: librdkafka searches for one with assigned partitions
too, and as long as it finds none its `commit()` and `close()` wait, 45 s by default; kafka-python's consumer
doesn't read. Most of these answers have no room for a text, so the log has it.
"""

from __future__ import annotations

import logging
from typing import Final

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context
from kov.handlers.seldom import Seldom

REFUSED: Final = ErrorCode.group_authorization_failed
_log: Final = logging.getLogger(__name__)
_seldom: Final = Seldom(every_s=600)  # librdkafka tries every second


def refusal(context: Context, group: str) -> str:
    """Why the group can't be used. The log hears of it too, once in a while."""
    why = text(group)
    if _seldom.due(group):
        _log.warning("%r: %s", context.source, why)
    return why


def text(group: str) -> str:
    return (
        f"the group {group!r} can't be used: this server doesn't serve consumer groups; "
        "a consumer with assigned partitions works, and keeps its offsets elsewhere"
    )
