"""One connected client: frame to request to handler to frame.

Peers share nothing but what is in the registry, `Peers`. What goes wrong on a connection is logged once per
connection and reason, and not more often than every few seconds for all of them together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Final

from kio.schema.errors import ErrorCode

from kov.answer_errors import counter_of
from kov.counting import ApiCounts
from kov.errors import ProtocolError
from kov.handlers import APIS, Api, Context, Pending, unsupported_version
from kov.handlers.api_versions import ApiVersionsRequest, called
from kov.peers import ClientView, Peers
from kov.slow_requests import About, InRequest, may_wait_s
from kov.wire import messages
from kov.wire.client import Reply
from kov.wire.connection import Connection
from kov.wire.frames import Frame
from kov.wire.messages import Head

if TYPE_CHECKING:
    from kov.broker import Broker

_log: Final = logging.getLogger(__name__)
_numbers: Final = count(1)  # of connections, in this process


class Peer:
    """A client on a connection; it is the `source` that its batches are ordered by."""

    def __init__(self, broker: Broker, listener: str, peers: Peers) -> None:
        self._broker = broker
        self._listener = listener
        self._peers = peers
        self._client_id: str | None = None
        self._software = self._software_version = ""
        self._connection: Connection | None = None
        self._requests = 0

    def __repr__(self) -> str:
        remote = self._connection.remote if self._connection else "?"
        return f"<Peer {remote} client={self._client_id} listener={self._listener}>"

    def opened(self, connection: Connection) -> None:
        self._connection = connection
        self._number, self._since = next(_numbers), time.time()
        if self._peers.add(connection, self):
            _log.debug("%r connected", self)

    def lost(self) -> None:
        if self._connection is not None:
            self._peers.remove(self._connection)
        _log.debug("%r is gone", self)

    def broke(self, error: ProtocolError) -> None:
        self._peers.complain("%r: closing the connection: %s", self, error)

    def answer(self, frame: Frame) -> Reply:
        """Takes one request; its place is taken when this returns. Raises `ProtocolError`."""
        head = messages.read_head(frame)
        arrived = time.perf_counter()
        api = APIS.get(head.api_key)
        if api is None:
            raise ProtocolError(f"there is no API with the key {head.api_key} here")
        self._requests += 1
        counts = self._peers.requests[head.api_key]
        counts.taken(head.api_version, len(frame))
        if head.api_version not in api.versions:
            return _other_version(api, head, counts)
        request = _decode(api, head, frame)
        self._client_id = request.client_id
        if isinstance(request.body, ApiVersionsRequest):
            self._software, self._software_version = called(request.body)
        context = Context(
            broker=self._broker,
            api_key=head.api_key,
            api_version=head.api_version,
            client_id=request.client_id,
            listener=self._listener,
            source=self,
            memory=self._peers.budget,
            deadlines=self._peers.deadlines,
        )
        try:
            return _Answer(self, api, head, request.body, api.handle(context, request.body), counts, arrived)
        except Exception as error:  # A defect of ours ends this connection, not the server.
            raise self.defect(api, head, error) from error

    @property
    def slow_s(self) -> float:
        return self._peers.slow_s

    def slow(self, api: Api, head: Head, request: object, taken_s: float, turn_s: float) -> None:
        """A request took longer than is usual: said, unless it waited because it was to wait."""
        if taken_s - may_wait_s(request) > self.slow_s:
            self._peers.slow.say(
                "slow: %s took %.2f s, %.2f s of it behind earlier requests: %s",
                InRequest(self, api, head),
                taken_s,
                turn_s,
                About(request),
            )

    def view(self) -> ClientView:
        assert self._connection is not None, "who is registered has a connection"
        in_progress, held_bytes = self._connection.held
        return ClientView(
            number=self._number,
            remote=self._connection.remote,
            listener=self._listener,
            client_id=self._client_id,
            software=self._software,
            software_version=self._software_version,
            since=self._since,
            requests=self._requests,
            in_progress=in_progress,
            held_bytes=held_bytes,
        )

    @property
    def log_fields(self) -> Mapping[str, object]:
        remote = self._connection.remote if self._connection else None
        fields = {"remote": remote, "client_id": self._client_id, "listener": self._listener}
        return fields if self._connection is None else {"connection": self._number, **fields}

    def defect(self, api: Api, head: Head, error: Exception) -> ProtocolError:
        """Logs an error that no client may cause, and says how to go on: by hanging up."""
        _log.error("%r failed", InRequest(self, api, head), exc_info=error)
        return ProtocolError(f"{api.name} v{head.api_version} failed unexpectedly")


def _decode(api: Api, head: Head, frame: Frame) -> messages.Request[object]:
    try:
        return messages.decode(head, frame, api.request)
    except ProtocolError as error:
        raise ProtocolError(f"a damaged {api.name} request, v{head.api_version}: {error}") from error


def _other_version(api: Api, head: Head, counts: ApiCounts) -> Reply:
    code = ErrorCode.unsupported_version
    counts.errors[code] = counts.errors.get(code, 0) + 1
    answer = unsupported_version(head.api_key)
    if answer is None:
        raise ProtocolError(f"{api.name} v{head.api_version} is not served")
    return _in_version_0(head, answer)


async def _in_version_0(head: Head, answer: object) -> Sequence[bytes]:
    return messages.encode(head, answer, 0)


class _Answer:
    """A handler's answer on its way to bytes. `arrived`: when the request was there, by `perf_counter`."""

    __slots__ = ("_api", "_arrived", "_counts", "_head", "_peer", "_pending", "_request")

    def __init__(
        self,
        peer: Peer,
        api: Api,
        head: Head,
        request: object,
        pending: Pending[object],
        counts: ApiCounts,
        arrived: float,
    ) -> None:
        self._peer = peer
        self._api = api
        self._head = head
        self._request = request
        self._pending = pending
        self._counts = counts
        self._arrived = arrived

    def __await__(self) -> Generator[object, None, Sequence[bytes] | None]:
        return self._encoded().__await__()

    def close(self) -> None:
        self._pending.close()

    async def _encoded(self) -> Sequence[bytes] | None:
        api, head = self._api, self._head
        turn = time.perf_counter()
        try:
            answer = await self._pending
            pieces = None if answer is None else messages.encode(head, answer)
        except ProtocolError:
            raise
        except Exception as error:  # A defect of ours ends this connection, not the server.
            raise self._peer.defect(api, head, error) from error
        self._count(answer, pieces, turn)
        return pieces

    def _count(self, answer: object, pieces: Sequence[bytes] | None, turn: float) -> None:
        now = time.perf_counter()
        taken_s = now - self._arrived
        self._counts.answered(taken_s, sum(map(len, pieces)) if pieces is not None else 0)
        if answer is not None and (add := counter_of(type(answer))) is not None:
            add(answer, self._counts.errors)
        if taken_s > self._peer.slow_s:
            self._peer.slow(self._api, self._head, self._request, taken_s, turn - self._arrived)


def serve_connection_factory(
    broker: Broker, listener: str, peers: Peers
) -> Callable[[], asyncio.BufferedProtocol]:
    """What `loop.create_server` makes a connection of `listener` with."""
    return lambda: Connection(Peer(broker, listener, peers), peers.limits, peers.budget)
