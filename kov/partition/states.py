"""The states of a partition and the moves between them."""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """IDLE: not opened, or free to be. DEPOSED: another node writes. FAILED: can't be opened as it is."""

    IDLE = "idle"
    OPENING = "opening"
    ACTIVE = "active"
    DEPOSED = "deposed"
    FAILED = "failed"
    CLOSED = "closed"


MOVES: Final[dict[State, set[State]]] = {
    State.IDLE: {State.OPENING, State.CLOSED},
    State.OPENING: {State.ACTIVE, State.DEPOSED, State.FAILED, State.CLOSED},
    State.ACTIVE: {State.OPENING, State.CLOSED},
    State.DEPOSED: {State.IDLE, State.CLOSED},
    State.FAILED: {State.IDLE, State.CLOSED},
    State.CLOSED: set(),
}
