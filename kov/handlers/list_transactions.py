"""ListTransactions (key 66), v0-v2: there are none, since transactions aren't served.

v1 filter by duration · v2 filter by a pattern. Tools ask for it to find hanging transactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from kio.schema.errors import ErrorCode

from kov.handlers.base import Context, api

_STATES: Final = {
    "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
    "PrepareEpochFence",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTransactionsRequest:
    state_filters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionState:
    transactional_id: str
    producer_id: int
    transaction_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTransactionsResponse:
    unknown_state_filters: tuple[str, ...]
    transaction_states: tuple[TransactionState, ...] = ()
    error_code: ErrorCode = ErrorCode.none
    throttle_time: timedelta = timedelta(0)


async def handle(_: Context, request: ListTransactionsRequest) -> ListTransactionsResponse:
    unknown = [name for name in dict.fromkeys(request.state_filters) if name not in _STATES]
    return ListTransactionsResponse(unknown_state_filters=tuple(unknown))


API = api(
    key=66,
    name="ListTransactions",
    versions=range(3),
    request=ListTransactionsRequest,
    response=ListTransactionsResponse,
    handle=handle,
)
