"""AdminConnection: what all admin calls have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar

import grpc.aio

from varlog_client.channels import open_channel
from varlog_client.errors import Unavailable, from_rpc
from varlog_client.pb import admpb_pb2_grpc

_T = TypeVar("_T")


class AdminConnection:
    def __init__(self, channel: grpc.aio.Channel, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._stub = admpb_pb2_grpc.ClusterManagerStub(channel)

    @classmethod
    async def connect(cls, address: str, *, timeout_s: float = 5.0) -> Self:
        """Connects to `address` (`HOST:PORT`) within `timeout_s`, which later bounds each call.

        Raises `Unavailable`.
        """
        channel = open_channel(address)
        try:
            async with asyncio.timeout(timeout_s):
                await channel.channel_ready()
        except TimeoutError:
            await channel.close()
            raise Unavailable(f"the admin server {address} was not reached within {timeout_s:g} s") from None
        except asyncio.CancelledError:
            await channel.close()
            raise
        return cls(channel, timeout_s)

    async def close(self) -> None:
        """Idempotent. Calls under way are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _within(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else timeout_s


async def answer(call: Awaitable[_T]) -> _T:
    """The call's answer, or its failure as an error of ours."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from error
