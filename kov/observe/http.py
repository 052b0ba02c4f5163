"""The HTTP server beside the listeners of Kafka clients: for probes, Prometheus and people. Read only."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

_log: Final = logging.getLogger(__name__)

_DRAIN_S: Final = 1.0
_BACKLOG: Final = 128
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers GET and HEAD on its path. What it raises is logged and answered 500."""


class HttpServer:
    """Serves `pages`, by path, from `start` until `close`."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        application = web.Application(middlewares=[_guarded])
        for path, page in pages.items():
            application.router.add_get(path, page)
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_DRAIN_S
        )

    async def start(self, bound: socket.socket) -> None:
        """Listens on `bound`, which `close` closes. Raises OSError where it can't."""
        await self._runner.setup()
        await web.SockSite(self._runner, bound, backlog=_BACKLOG).start()

    async def close(self) -> None:
        """Takes no more requests and gives those under way a second. Idempotent."""
        await self._runner.cleanup()


@web.middleware
async def _guarded(request: web.Request, handler: Page) -> web.StreamResponse:
    try:
        answer = await handler(request)
    except web.HTTPException:
        raise
    except Exception:  # A defect of ours in one page is that page's alone.
        _log.exception("the page %s failed", request.path)
        return web.json_response({"error": "an unexpected error, see kov's log"}, status=500)
    if not answer.prepared:
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
    return answer
