"""Every page of the HTTP server, by its path, listed here once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from kov.observe.collecting import Collecting
from kov.observe.health import Readiness
from kov.observe.http import Page
from kov.observe.loop_lag import LoopLag
from kov.observe.node import ObservedNode
from kov.observe.status.gather import Observer
from kov.observe.status.serving import status_pages
from kov.observe.status.troubles import Troubles


def pages(node: ObservedNode, lag: LoopLag, troubles: Troubles) -> Mapping[str, Page]:
    """A new page is one more line here: a function of the request that looks at `node`."""
    readiness = Readiness(node)
    collecting = Collecting(node, readiness, lag)

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"alive": True, "event_loop_lag_seconds": round(lag.last_s, 6)})

    async def readyz(_: web.Request) -> web.Response:
        missing = await readiness.missing()
        return web.json_response({"ready": not missing, "missing": missing}, status=503 if missing else 200)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # For thousands of partitions the text takes a while: not in the event loop.
        text = await asyncio.to_thread(encode, await collecting.scrape())
        return web.Response(body=text, headers={"Content-Type": content_type})

    status = status_pages(Observer(node, troubles), readiness.missing)
    return {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, **status}
