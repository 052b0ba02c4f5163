"""What a handler gets, what it gives back, and how it is registered."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from kio.index import load_request_schema, load_response_schema
from kio.static.protocol import Payload

from kov.handlers import fit

if TYPE_CHECKING:
    from kov.broker import Broker

Entity: TypeAlias = Payload
"""An instance of kio's schema class of one API, version and direction."""

Req = TypeVar("Req")
Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One request's surroundings. `source` is the connection's identity: equal for requests of one peer."""

    broker: Broker
    api_key: int
    api_version: int
    client_id: str | None
    listener: str
    source: object


class Pending(Protocol[Answer_co]):
    """An answer under way: awaited in its turn, or closed unawaited when nobody wants it any more.

    Every coroutine is one. Awaiting may raise `ProtocolError`: the connection is closed instead of an answer.
    """

    def __await__(self) -> Generator[object, None, Answer_co]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One Kafka API: what is served, what is said to be served, and by whom.

    `handle(context, request)` takes the request's place in the order before it returns. Its answer is None
    where the client expects none; `entity` makes an answer sendable.
    """

    key: int
    name: str
    versions: range
    advertised: range
    request: type[object]
    response: type[object]
    handle: Callable[[Context, Entity], Pending[object]]

    def entity(self, version: int, answer: object) -> Entity:
        return fit.write(response_type(self.key, version), answer)


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
    """An `Api` whose handler has types of its own (`fit`). It advertises what it serves by default."""
    return Api(
        key=key,
        name=name,
        versions=versions,
        advertised=versions if advertised is None else advertised,
        request=request,
        response=response,
        handle=lambda context, entity: handle(context, fit.read(request, entity)),
    )


@cache
def response_type(key: int, version: int) -> type[Entity]:
    return load_response_schema(key, version)


@cache
def request_type(key: int, version: int) -> type[Entity]:
    return load_request_schema(key, version)
