"""Whether a node is alive, and whether clients can be sent to it; if not, what is missing, in plain words."""

from __future__ import annotations

import asyncio
from typing import Final

from kov.observe.node import ObservedNode
from varlog_client.errors import VarlogError

_VARLOG_TIMEOUT_S: Final = 3.0
_BELIEVED_S: Final = 1.0  # so long what Varlog said is not asked again


class Readiness:
    """Ready: the listeners are open and the Varlog cluster answers.

    A partition that can't be written now makes a node no less ready: its other partitions can.
    """

    def __init__(self, node: ObservedNode) -> None:
        self._node = node
        self._asked = float("-inf")
        self._said: str | None = None

    async def missing(self) -> list[str]:
        """Everything that is missing; empty for a node that is ready. Takes some 3 s at most."""
        if self._node.stopping:
            return ["this node is shutting down"]
        if self._node.log is None:
            return ["the Varlog cluster has not been reached yet"]
        if self._node.broker is None:
            return ["the topics have not been read yet"]
        found = [] if self._node.listening else ["the listeners for clients are not open yet"]
        trouble = await self._trouble_with_varlog()
        return [*found, trouble] if trouble else found

    async def _trouble_with_varlog(self) -> str | None:
        now = asyncio.get_running_loop().time()
        if now - self._asked >= _BELIEVED_S:
            self._said = await self._ask()
            self._asked = asyncio.get_running_loop().time()
        return self._said

    async def _ask(self) -> str | None:
        assert self._node.log is not None
        try:
            async with asyncio.timeout(_VARLOG_TIMEOUT_S):
                await self._node.log.refresh()
        except TimeoutError:
            return f"the Varlog cluster has not answered for {_VARLOG_TIMEOUT_S:g} s"
        except VarlogError as error:
            return f"the Varlog cluster doesn't answer: {error}"
        return None
