"""For tests of programs that talk to Kafka: a kov of their own, on a free port of 127.0.0.1.

    with run_broker() as broker:                  # for tests of any kind
        my_producer(broker.bootstrap_servers)

    async with start_broker() as broker:          # in the running event loop
        await my_producer(broker.bootstrap_servers)

The pytest fixtures `kov_broker` and `kov_topic` are in `kov.testing.fixtures`. `KovContainer` runs kov's
image with testcontainers, which it needs: `pip install 'kov[testing]'`. The others need nothing but kov.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kov.testing.broker import Broker, run_broker, start_broker

if TYPE_CHECKING:
    from kov.testing.container import KovContainer

__all__ = ["Broker", "KovContainer", "run_broker", "start_broker"]


def __getattr__(name: str) -> object:
    """`KovContainer` when it is asked for: testcontainers need not be there for the others."""
    if name == "KovContainer":
        from kov.testing.container import KovContainer  # noqa: PLC0415

        return KovContainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
