"""One node of several on this machine: what `kov.workers` runs as a process. Not for people.

It is told on its standard input what to serve, with sockets that it inherits, and says on its standard
output that it serves. It ends by SIGTERM, or when its standard input does.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

import uvloop

from kov import process
from kov.commands import refused, set_up_logging
from kov.errors import ConfigError
from kov.told import Told
from kov.workers import READY, Order


async def serve(order: Order, told: Told) -> None:
    """Raises ConfigError."""
    stopping = process.stop_on_signals()
    from kov.server import Server  # noqa: PLC0415 - a good part of the start

    sockets = {name: socket.socket(fileno=number) for name, number in order.descriptors.items()}
    http = None if order.http is None else socket.socket(fileno=order.http)
    server = Server(order.config, sockets, http=http)
    told.follow(server.reconfigure, stopping)
    await process.run(server, stopping, _say_so, told)


def _say_so() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


def main() -> int:
    # The mapping file is read by the process that started this one.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    told = Told(sys.stdin.fileno())
    order = told.order()
    if order is None:
        return 1
    set_up_logging(order.logged.level, order.logged.form, node_id=order.config.node_id)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(order, told))
    except ConfigError as error:
        return refused(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
