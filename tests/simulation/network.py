"""How messages travel between simulated processes: late, in the order of their connection, or not at all."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple

LONG_S = 0.1


class Faults(NamedTuple):
    """How likely each is, of every message it can happen to."""

    longest_delay_s: float = 0.005
    lost_answer: float = 0.0  # of an append: the stream hangs from then on
    lost_call: float = 0.0  # of a unary call: it runs into its timeout
    cut_reading: float = 0.0  # of a message with entries
    arrives_after_cut: float = 0.3
    stuck: float = 0.0  # of an unseal: the log stream runs and commits nothing, until it is sealed again


class Network:
    """`seen` counts what went wrong, by its name: a fault that was drawn may have hit nothing."""

    def __init__(self, rng: random.Random, faults: Faults) -> None:
        self.rng = rng
        self.faults = faults
        self.loop = asyncio.get_running_loop()
        self.cluster_side = Context()
        self.seen: Counter[str] = Counter()

    def happens(self, likelihood: float) -> bool:
        return likelihood > 0 and self.rng.random() < likelihood

    def later(self, seconds: float, what: Callable[..., None], *args: object) -> None:
        """On the side of the cluster."""
        self.loop.call_later(seconds, what, *args, context=self.cluster_side)

    def delay_s(self) -> float:
        return self.rng.random() ** 3 * self.faults.longest_delay_s


class Line:
    """One direction of one connection."""

    def __init__(self, network: Network, context: Context, deliver: Callable[[Any], None]) -> None:
        self._network = network
        self._context = context
        self._deliver = deliver
        self._on_its_way: deque[object] = deque()

    def send(self, message: object) -> None:
        network = self._network
        self._on_its_way.append(message)
        delay_s = network.delay_s()
        network.seen["a message took long"] += delay_s > LONG_S
        network.loop.call_later(delay_s, self._arrive, context=self._context)

    def _arrive(self) -> None:
        self._deliver(self._on_its_way.popleft())
