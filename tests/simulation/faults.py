"""The faults of one schedule: which kinds, how many, how close together, all from its seed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable

from kov.entries import ControlEntry, Kind, unpack
from kov.partition import control
from tests.simulation.calls import Refusal
from tests.simulation.log_stream import SimulatedLogStream
from tests.simulation.nodes import Node
from tests.simulation.unsealing import unseal
from varlog_client.types import StorageNodeId

PAUSES_S = (0.001, 0.02, 0.1, 0.5, 2.0)


class Storm:
    """Half of all kinds of faults, chosen for each schedule anew, so that some come thick and together.

    `operated`: somebody unseals now and then, and whenever it is needed at the end; else only kov does.
    """

    def __init__(
        self, stream: SimulatedLogStream, nodes: list[Node], rng: random.Random, *, operated: bool
    ) -> None:
        self._stream = stream
        self._varlog = stream.varlog
        self._nodes = nodes
        self._rng = rng
        self._operated = operated

    def kinds(self) -> list[Callable[[], None]]:
        return [
            self._varlog.break_streams,
            self._stream.seal,
            self._kill,
            self._freeze_storage,
            self._freeze_node,
            self._hang,
            self._lag,
            self._trim,
            self._foreign,
            self._strand,
            self._move_primary,
            self._stale_metadata,
            self._lose_repository,
            self._lose_admin,
            self._unseal_hastily,
        ]

    async def run(self) -> None:
        rng = self._rng
        kinds = [kind for kind in self.kinds() if rng.random() < 0.5] or [self._varlog.break_streams]
        pauses_s = rng.sample(PAUSES_S, rng.randint(1, len(PAUSES_S)))
        for _ in range(rng.choice([5, 20, 40])):
            fault = rng.choice([*kinds, self._mend, self._unseal])
            self._varlog.network.seen[_name(fault)] += 1
            fault()
            await asyncio.sleep(rng.choice(pauses_s))
        self.calm()

    def calm(self) -> None:
        """No more faults: everything that is due happens, and what is sealed is unsealed."""
        self._mend()
        self._varlog.network.later(2.0, self.calm)

    def _mend(self) -> None:
        for node in self._varlog.nodes:
            self._varlog.start(StorageNodeId(node.node_id))
            self._varlog.thaw(StorageNodeId(node.node_id))
        for each in self._nodes:
            each.thaw()
        self._varlog.repository.up, self._varlog.repository.stale = True, False
        self._varlog.admin_server.up = True
        self._stream.hanging = False
        self._stream.set_lag(0)
        self._unseal()
        self._stream.go_on()

    def _unseal(self) -> None:
        """What the old primary was made to take over, nobody but an operator mends: it is sealed again."""
        usurped = self._stream.acting is not self._stream.primary
        if (usurped or (self._operated and self._stream.stuck)) and not self._stream.sealed:
            self._stream.seal()
        if self._operated:
            self._stream.unseal()

    def _storage_node(self) -> StorageNodeId:
        return StorageNodeId(self._rng.choice(self._varlog.nodes).node_id)

    def _kill(self) -> None:
        node = self._storage_node()
        self._varlog.kill(node)
        if self._rng.random() < 0.7:
            self._varlog.network.later(self._rng.random() * 10, self._varlog.start, node)

    def _freeze_storage(self) -> None:
        node = self._storage_node()
        self._varlog.freeze(node)
        self._varlog.network.later(self._rng.random() * 20, self._varlog.thaw, node)

    def _freeze_node(self) -> None:
        node = self._rng.choice(self._nodes)
        node.freeze()
        self._varlog.network.later(self._rng.choice([0.1, 1.0, 10.0, 60.0]), node.thaw)

    def _hang(self) -> None:
        self._stream.hanging = not self._stream.hanging
        self._stream.go_on()

    def _lag(self) -> None:
        self._stream.set_lag(self._rng.choice([0, 1, 5]))

    def _trim(self) -> None:
        """As an operator may: behind the state of a snapshot or fence that is committed."""
        stream = self._stream
        usable = [
            known
            for entry in map(unpack, stream.entries[stream.first - 1 :])
            if isinstance(entry, ControlEntry)
            and entry.kind in {Kind.SNAPSHOT, Kind.FENCE}
            and (known := control.as_of(entry)) is not None
        ]
        if usable:
            stream.trim(self._rng.choice(usable) + 1)

    def _foreign(self) -> None:
        if not self._stream.sealed:
            self._stream.write_foreign(b"\xffanother program")

    def _strand(self) -> None:
        """What is under way, a fence as well, is committed and never answered."""
        for call in list(self._stream.primary.calls):
            call.mute()

    def _move_primary(self) -> None:
        self._stream.seal()
        self._stream.move_primary()

    def _stale_metadata(self) -> None:
        self._varlog.repository.stale = not self._varlog.repository.stale

    def _lose_repository(self) -> None:
        self._varlog.repository.up = not self._varlog.repository.up
        self._stream.go_on()

    def _lose_admin(self) -> None:
        self._varlog.admin_server.up = not self._varlog.admin_server.up

    def _unseal_hastily(self) -> None:
        """Somebody doesn't look whether every replica is sealed."""
        with contextlib.suppress(Refusal):
            unseal(self._stream)


def _name(fault: Callable[[], None]) -> str:
    return fault.__name__.strip("_").replace("_", " ")
