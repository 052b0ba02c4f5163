"""What kov asks of the system for each client's socket."""

from __future__ import annotations

import socket
from typing import Final

_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


def address_of(peername: object) -> tuple[str, str]:
    """The host alone, and host and port as they are written."""
    match peername:
        case (str(host), int(port), *_):
            return host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "", str(peername)


def tune(sock: socket.socket | None) -> None:
    """Answers leave at once; a silent peer that is gone without a word is noticed within two minutes.

    No TCP_USER_TIMEOUT: it would also end the connections of consumers that read slowly but are there. Who
    takes nothing of his answers is ended by `Connection.end_if_idle`.
    """
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
