"""What there is of a node, as far as it has started: `Server` fills it in, the pages look at it."""

from __future__ import annotations

from dataclasses import dataclass

from kov.broker import Broker
from kov.config import Config
from kov.partition.table import PartitionTable
from kov.peers import Peers
from varlog_client import Log


@dataclass(slots=True, kw_only=True)
class ObservedNode:
    """A room that isn't open yet is None. Used in the event loop of the node."""

    config: Config
    peers: Peers
    log: Log | None = None
    partitions: PartitionTable | None = None
    broker: Broker | None = None
    listening: bool = False
    stopping: bool = False

    def stop(self) -> None:
        """From now on it is ready for nobody."""
        self.stopping = True
