"""Whether clients can get to where they are told to connect to, said loudly where they probably can't."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from kov.address import Address
from kov.config import Listener, NodeConfig

_log: Final = logging.getLogger(__name__)

_PATIENCE_S: Final = 5.0
_HOW: Final = "--advertise, KOV_ADVERTISE, or advertise in the mapping file"


async def ended(checking: asyncio.Task[None]) -> None:
    """Ends a check that may be under way."""
    checking.cancel()
    await asyncio.wait([checking])


async def warn_of_unreachable(node: NodeConfig, *, patience_s: float = _PATIENCE_S) -> None:
    """One warning for each listener of `node`, which listens already, that clients may not find.

    Connects to the addresses that clients are told, where they aren't the ones that are listened on. Takes
    `patience_s` at most, and cancelling it leaves nothing open.
    """
    async with asyncio.TaskGroup() as group:
        for name, listener in node.listeners.items():
            group.create_task(_warn(name, listener, patience_s))


async def _warn(name: str, listener: Listener, patience_s: float) -> None:
    advertised = listener.advertise
    if offers_loopback(listener):
        _log.warning(
            "listener %s listens on %s for other hosts too, but clients are told to connect to %s, which is "
            "their own host to them; unless all of them run here, give it a name that they know (%s)",
            name,
            listener.bind,
            advertised,
            _HOW,
        )
    if _elsewhere(listener) and (reason := await _why_not(advertised, patience_s)):
        _log.warning(
            "listener %s: clients are told to connect to %s, and from here that can't be done: %s; "
            "clients that can't either fail after their first request. Correct the address (%s), the name "
            "server or the port forwarding, or ignore this if they get there by another way",
            name,
            advertised,
            reason,
            _HOW,
        )


def offers_loopback(listener: Listener) -> bool:
    """Whether clients on other hosts, who may connect, are sent to their own ones."""
    return listener.advertise.loopback and not listener.bind.loopback


def _elsewhere(listener: Listener) -> bool:
    """Whether clients are sent to another address than the one that is listened on."""
    bind, advertise = listener.bind, listener.advertise
    return bind.host != advertise.host or bind.port not in {0, advertise.port}


async def _why_not(address: Address, patience_s: float) -> str | None:
    try:
        async with asyncio.timeout(patience_s):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except TimeoutError:
        return f"nobody answered within {patience_s:g} s"
    except OSError as error:
        return error.strerror or str(error)
    writer.close()
    with suppress(OSError):  # whoever it was hung up first
        await writer.wait_closed()
    return None
