"""What systemd is told where it started this process as a service: it serves, reloads, ends, lives.

The protocol is that of sd_notify(3). Elsewhere nothing happens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from typing import Final

_log = logging.getLogger(__name__)

# Taken out of the environment, so that our children, which inherit it, don't speak for us.
_ADDRESS: Final = os.environ.pop("NOTIFY_SOCKET", "")
_WATCHDOG_US: Final = int(os.environ.pop("WATCHDOG_USEC", "0"))


def ready(status: str) -> None:
    """It serves; `status` is one line for people. From now on a watchdog hears from the event loop."""
    _tell("READY=1", f"STATUS={status}")
    if _ADDRESS and _WATCHDOG_US:
        _show_life()


def reloading() -> None:
    """Until `reloaded`."""
    _tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def reloaded() -> None:
    _tell("READY=1")


def stopping() -> None:
    _tell("STOPPING=1", "STATUS=answering what is under way")


def _show_life() -> None:
    _tell("WATCHDOG=1", wait_s=0)
    asyncio.get_running_loop().call_later(_WATCHDOG_US / 2e6, _show_life)


def _tell(*assignments: str, wait_s: float = 1.0) -> None:
    """`wait_s`: a manager that reads nothing for as long isn't told."""
    if not _ADDRESS:
        return
    where = "\0" + _ADDRESS[1:] if _ADDRESS.startswith("@") else _ADDRESS
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.settimeout(wait_s)
            notify.connect(where)
            notify.send("\n".join(assignments).encode())
    except BlockingIOError:
        _log.debug("the service manager reads nothing")
    except OSError as error:
        _log.warning("the service manager can't be told %s: %s", assignments[0], error)
