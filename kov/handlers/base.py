"""What a handler gets, what it gives back, and how it is registered."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from kov.budget import Budget
from kov.deadlines import Deadlines

if TYPE_CHECKING:
    from kov.broker import Broker

Req = TypeVar("Req")
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One request's surroundings. `source` is the connection's identity: equal for requests of one peer.

    `memory` is what all that is held for clients counts in, large answers too; `deadlines` ends the waits of
    requests that may wait.
    """

    broker: Broker
    api_key: int
    api_version: int
    client_id: str | None
    listener: str
    source: object
    memory: Budget
    deadlines: Deadlines


class Pending(Protocol[Answer_co]):
    """An answer under way: awaited in its turn, or closed unawaited when nobody wants it any more.

    Every coroutine is one. Awaiting may raise `ProtocolError`: the connection is closed instead of an answer.
    """

    def __await__(self) -> Generator[object, None, Answer_co]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One Kafka API: what is served, what is said to be served, and by whom.

    `request` and `response` hold the fields of all versions, named as in kio; `kov.wire` reads and writes
    them as each version says. `handle(context, request)` takes the request's place in the order before it
    returns; its answer is a `response`, or None where the client expects none.
    """

    key: int
    name: str
    versions: range
    advertised: range
    request: type[object]
    response: type[object]
    handle: Callable[[Context, object], Pending[object]]


def api(
    *,
    key: int,
    name: str,
    versions: range,
    request: type[Req],
    response: type[object],
    handle: Callable[[Context, Req], Pending[object]],
    advertised: range | None = None,
) -> Api:
    """An `Api` for a handler that knows its own request type. It advertises what it serves by default."""

    def handle_any(context: Context, body: object) -> Pending[object]:
        assert isinstance(body, request)
        return handle(context, body)

    return Api(
        key=key,
        name=name,
        versions=versions,
        advertised=versions if advertised is None else advertised,
        request=request,
        response=response,
        handle=handle_any,
    )
