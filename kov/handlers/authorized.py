"""What a client may do: without an authorizer all that a resource has operations for, as bits."""

from __future__ import annotations

from typing import Final

NOT_ASKED: Final = -(2**31)
TOPIC_OPERATIONS: Final = sum(1 << operation for operation in (3, 4, 5, 6, 7, 8, 10, 11))
CLUSTER_OPERATIONS: Final = sum(1 << operation for operation in (5, 7, 8, 9, 10, 11, 12))
