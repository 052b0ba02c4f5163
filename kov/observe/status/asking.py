"""Which part of the lists somebody wants to see: from the URL, bounded, and never refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlencode

T = TypeVar("T")

PER_PAGE: Final = 50
_LONGEST: Final = 250
_SHOWN: Final = ("all", "opened", "trouble", "unopened")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """`topic`, `client`: parts of what is looked for, in lower case. Pages count from 1."""

    topic: str = ""
    show: str = "all"
    page: int = 1
    client: str = ""
    client_page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Ask:
        show = query.get("show", "all")
        return cls(
            topic=query.get("topic", "").strip()[:_LONGEST].lower(),
            show=show if show in _SHOWN else "all",
            page=_page(query.get("page", "")),
            client=query.get("client", "").strip()[:_LONGEST].lower(),
            client_page=_page(query.get("clients", "")),
        )

    def query(self, *, page: int | None = None, client_page: int | None = None) -> str:
        """The same question for another page, as it stands in a URL."""
        asked = {
            "topic": self.topic,
            "show": "" if self.show == "all" else self.show,
            "page": self.page if page is None else page,
            "client": self.client,
            "clients": self.client_page if client_page is None else client_page,
        }
        return "?" + urlencode({name: value for name, value in asked.items() if value not in {"", 1}})


def pages_of(count: int) -> int:
    """At least one, if an empty one."""
    return max(1, -(-count // PER_PAGE))


def cut(rows: Sequence[T], page: int) -> tuple[int, Sequence[T]]:
    """That page, or the last one there is; which it is."""
    page = min(page, pages_of(len(rows)))
    return page, rows[(page - 1) * PER_PAGE : page * PER_PAGE]


def _page(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else 1
