"""Sockets to listen on, and the addresses that clients are told."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Mapping
from typing import Final

from kov.address import Address
from kov.config import Listener, NodeConfig
from kov.errors import CannotStart, ConfigError

_log = logging.getLogger(__name__)

_LAST_PORT: Final = 0xFFFF


def bind(node: NodeConfig) -> dict[str, socket.socket]:
    """A bound socket per listener, not listening yet. Raises CannotStart, then none is left open."""
    bound: dict[str, socket.socket] = {}
    try:
        for name, listener in node.listeners.items():
            bound[name] = _bind(listener.bind)
    except BaseException:
        for opened in bound.values():
            opened.close()
        raise
    return bound


def advertised(node: NodeConfig, bound: Mapping[str, socket.socket]) -> NodeConfig:
    """The node with every advertised port 0 replaced by the port that was bound."""
    listeners = {}
    for name, listener in node.listeners.items():
        port = listener.advertise.port or bound[name].getsockname()[1]
        listeners[name] = Listener(bind=listener.bind, advertise=Address(listener.advertise.host, port))
    return NodeConfig(node_id=node.node_id, listeners=listeners, rack=node.rack)


def listener(listen: Address, advertise: Address | None) -> Listener:
    """For the command line. What nobody can connect to is not advertised; the host's name stands in."""
    if advertise is not None and advertise.unspecified:
        raise ConfigError(
            f"--advertise {advertise}: clients can't connect to that; give a name or an address"
        )
    if advertise is None and listen.unspecified:
        advertise = Address(_host_name(), listen.port)
        _log.warning(
            "listening on every address of this host (%s); producers are told to connect to %s. "
            "If they can't reach that name, give --advertise HOST:PORT",
            listen.host,
            advertise.host,
        )
    return Listener(bind=listen, advertise=advertise or listen)


def in_a_row(first: Listener, count: int) -> list[Listener]:
    """One for each of `count` nodes on this host, on ports that follow each other; a port 0 stays 0."""

    def shifted(address: Address, by: int) -> Address:
        return Address(address.host, address.port + by if address.port else 0)

    last = max(first.bind.port, first.advertise.port) + count - 1
    if last > _LAST_PORT:
        raise ConfigError(f"{count} workers need ports up to {last}; choose a lower first one with --listen")
    return [
        Listener(bind=shifted(first.bind, by), advertise=shifted(first.advertise, by)) for by in range(count)
    ]


def refusal(address: Address, error: OSError) -> CannotStart:
    """Why the address can't be listened on, and what to do."""
    if isinstance(error, socket.gaierror):
        return CannotStart(f"can't listen on {address}: the host {address.host!r} is not known here")
    match error.errno:
        case errno.EADDRINUSE:
            reason = f"the port is taken by another program; stop that, or choose another than {address.port}"
        case errno.EADDRNOTAVAIL:
            reason = "this host has no such address; use one of its own, or 0.0.0.0 for all of them"
        case errno.EACCES:
            reason = "not allowed for this user; choose a port above 1023"
        case _:
            reason = error.strerror or str(error)
    return CannotStart(f"can't listen on {address}: {reason}")


def _bind(address: Address) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise refusal(address, error) from None
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setblocking(False)
        opened.bind(where)
    except OSError as error:
        opened.close()
        raise refusal(address, error) from None
    return opened


def _host_name() -> str:
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return "127.0.0.1"
    return name
