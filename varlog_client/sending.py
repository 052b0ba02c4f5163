"""How a request leaves on an Append call.

grpcio's `write()` has a fault: where the stream has just ended it replaces the server's status by INTERNAL
and drops answers that had arrived, so that "sealed" is reported as unknown. What `write()` itself calls has
not, but is no public API. Where a grpcio lacks it, `write()` has to do: appends work, and some ends that were
certain are reported as unknown, never the other way round.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import cast

import grpc.aio

_log = logging.getLogger(__name__)
_warned: set[str] = set()


def sender(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> Callable[[bytes], Awaitable[None]]:
    """Sends one serialized request; says once where it has to go the longer way.

    To be used behind `wait_for_connection`. Sending raises `grpc.aio.InternalError`,
    `grpc.aio.AioRpcError` or `asyncio.InvalidStateError` when the stream has ended.
    """
    direct = getattr(getattr(call, "_cython_call", None), "send_serialized_message", None)
    if direct is not None:
        return cast("Callable[[bytes], Awaitable[None]]", direct)
    if grpc.__version__ not in _warned:
        _warned.add(grpc.__version__)
        _log.warning(
            "grpcio %s has no send_serialized_message: some refused appends will be reported as unknown",
            grpc.__version__,
        )
    return call.write
