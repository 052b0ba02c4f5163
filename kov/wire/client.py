"""What a connection needs of whom it serves."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Protocol

from kov.errors import ProtocolError
from kov.wire.frames import Frame

if TYPE_CHECKING:
    from kov.wire.connection import Connection


class Reply(Protocol):
    """The answer to one request: awaited in its turn, or closed without that when nobody wants it any more.

    Awaiting gives the response frame in pieces, or None where the request gets no answer. It raises
    `ProtocolError` where the only answer is to hang up.
    """

    def __await__(self) -> Generator[object, None, Sequence[bytes] | None]: ...
    def close(self) -> None: ...


class Client(Protocol):
    """Who talks over a connection; its methods are plain calls that never block."""

    def opened(self, connection: Connection) -> None: ...
    def answer(self, frame: Frame) -> Reply:
        """Takes one request. Raises `ProtocolError` where the connection can't go on."""

    def broke(self, error: ProtocolError) -> None:
        """The connection ends because of `error`; what came before it is still answered."""

    def lost(self) -> None:
        """The connection is gone."""
