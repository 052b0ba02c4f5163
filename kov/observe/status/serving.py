"""The status page's URLs: the page, its style and script, and the JSON that the script keeps asking for."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from importlib.resources import files
from string import Template
from typing import Final

from aiohttp import web

from kov.observe.http import Page
from kov.observe.status.asking import Ask
from kov.observe.status.gather import Observer
from kov.observe.status.html import about, page

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def status_pages(observer: Observer, missing: Callable[[], Awaitable[list[str]]]) -> Mapping[str, Page]:
    """`missing`: what keeps the node from being ready, in sentences."""
    template = Template(_read("status.html"))

    async def html(request: web.Request) -> web.Response:
        ask = Ask.of(request.query)
        sentences = await missing()
        text = page(template, observer.status(ask), ask, sentences)
        return _answer(text, "text/html")

    async def as_json(request: web.Request) -> web.Response:
        status = observer.status(Ask.of(request.query))
        text = json.dumps(asdict(status) | {"about": about(status)}, separators=(",", ":"))
        return _answer(text, "application/json")

    return {"/": html, "/status.json": as_json} | {
        f"/status.{kind}": _static(f"status.{kind}", content_type) for kind, content_type in _TYPES.items()
    }


def _static(name: str, content_type: str) -> Page:
    text = _read(name)

    async def static(_: web.Request) -> web.Response:
        return _answer(text, content_type)

    return static


def _answer(text: str, content_type: str) -> web.Response:
    return web.Response(text=text, content_type=content_type, charset="utf-8", headers=_HEADERS)


def _read(name: str) -> str:
    return (files("kov.observe") / "page" / name).read_text(encoding="utf-8")
