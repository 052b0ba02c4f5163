"""Which client plays which case."""

from __future__ import annotations

from collections.abc import Iterator

from tests.interop.administration import ADMINISTRATION
from tests.interop.case import Case
from tests.interop.clients import CLIENTS, Client
from tests.interop.producing import PRODUCING
from tests.interop.trouble import TROUBLE

CASES: tuple[Case, ...] = (*PRODUCING, *TROUBLE, *ADMINISTRATION)
ROWS: tuple[str, ...] = tuple(dict.fromkeys(case.row for case in CASES))


def played() -> Iterator[tuple[Client, Case]]:
    for client in CLIENTS:
        for case in CASES:
            if not case.needs & set(client.lacks):
                yield client, case


def reason(client: Client, row: str) -> str | None:
    """Why the client plays no case of the row, if it plays none."""
    cases = [case for case in CASES if case.row == row]
    lacking = [case.needs & set(client.lacks) for case in cases]
    if not all(lacking):
        return None
    return client.lacks[min(lacking[0])]
