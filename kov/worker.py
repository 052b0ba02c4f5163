"""One node of several on this machine: what `kov.workers` runs as a process. Not for people.

It is told on its standard input what to serve, with sockets that it inherits, and says on its standard
output that it serves. It ends by SIGTERM, or when its standard input does.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import sys

import uvloop

from kov import process
from kov.commands import refused, set_up_logging
from kov.errors import ConfigError
from kov.workers import READY, Order


async def serve(order: Order) -> None:
    """Raises ConfigError."""
    stopping = process.stop_on_signals()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _parent_is_gone, stopping)
    from kov.server import Server  # noqa: PLC0415 - a good part of the start

    sockets = {name: socket.socket(fileno=number) for name, number in order.descriptors.items()}
    await process.run(Server(order.config, sockets), stopping, _say_so)


def _parent_is_gone(stopping: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stopping.set()


def _say_so() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


def main() -> int:
    order = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from the process that started this one
    set_up_logging(order.log_level, of=f"node {order.config.node_id}")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(order))
    except ConfigError as error:
        return refused(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
