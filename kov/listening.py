"""Sockets to listen on, and the addresses that clients are told."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from kov.address import Address, NamedAddress
from kov.config import DEFAULT_LISTEN, DEFAULT_LISTENER_NAME, Listener, NodeConfig
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


def bind_http(address: Address | None) -> socket.socket | None:
    """The same for the HTTP server, if there is to be one."""
    return None if address is None else _bind(address)


def urls(bound: Sequence[socket.socket | None]) -> list[str]:
    """Where those HTTP servers are looked at, from this host at least."""
    found = [Address(*each.getsockname()[:2]) for each in bound if each is not None]
    return [f"http://{Address(_own(each), each.port)}" for each in found]


def _own(address: Address) -> str:
    return "localhost" if address.unspecified else address.host


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


def listeners(listen: Sequence[NamedAddress], advertise: Sequence[NamedAddress]) -> dict[str, Listener]:
    """For the command line, by name; the one without a name is the default one. Raises ConfigError."""
    bound = _by_name(listen, "--listen") or {DEFAULT_LISTENER_NAME: DEFAULT_LISTEN}
    told = _by_name(advertise, "--advertise")
    for name in told:
        if name not in bound:
            known = ", ".join(bound)
            raise ConfigError(
                f"--advertise {name}={told[name]}: there is no listener {name}, only {known}; "
                f"write --advertise {known}=HOST:PORT, or add --listen {name}=HOST:PORT"
            )
    return {name: listener(address, told.get(name)) for name, address in bound.items()}


def _by_name(given: Sequence[NamedAddress], option: str) -> dict[str, Address]:
    found: dict[str, Address] = {}
    for each in given:
        name = each.name or DEFAULT_LISTENER_NAME
        if name in found:
            raise ConfigError(
                f"{option} {each}: listener {name} is at {found[name]} already; "
                f"give each listener a name of its own, for example {option} external={each.address}"
            )
        found[name] = each.address
    return found


def in_a_row(first: Mapping[str, Listener], count: int) -> list[dict[str, Listener]]:
    """Those of each of `count` nodes on this host, on ports that follow each other; a port 0 stays 0."""
    last = max(max(each.bind.port, each.advertise.port) for each in first.values()) + count - 1
    if last > _LAST_PORT:
        raise ConfigError(f"{count} workers need ports up to {last}; choose a lower first one with --listen")
    nodes = [
        {
            name: Listener(bind=shifted(each.bind, by), advertise=shifted(each.advertise, by))
            for name, each in first.items()
        }
        for by in range(count)
    ]
    _refuse_overlap(nodes)
    return nodes


def _refuse_overlap(nodes: Sequence[Mapping[str, Listener]]) -> None:
    used: set[int] = set()
    for each in (each for node in nodes for each in node.values()):
        if each.bind.port in used:
            raise ConfigError(
                f"port {each.bind.port} would be listened on twice; give --listen ports further apart"
            )
        used |= {each.bind.port} - {0}


def first_of(http: Address | None, count: int) -> Address | None:
    """`http` itself, if there are ports for the HTTP servers of `count` nodes. Raises ConfigError."""
    if http is not None and http.port + count - 1 > _LAST_PORT:
        raise ConfigError(f"{count} workers need ports above {http.port}; choose a lower one with --http")
    return http


def shifted(address: Address, by: int) -> Address:
    """The address of the node that comes `by` after the first one on this host."""
    return Address(address.host, address.port + by if address.port else 0)


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
