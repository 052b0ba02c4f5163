"""Why a connection ended: what is counted, and the values of the metric's label."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """CLIENT: the peer hung up. RESET: the line broke. PROTOCOL: a request that can't be answered, or with
    acks=0 one that failed. IDLE, UNREAD, STALLED: nothing asked, answers not taken, a request that never
    became whole, for too long. REFUSED: there were too many. STOPPING: this node is shutting down.
    """

    CLIENT = "client"
    RESET = "reset"
    PROTOCOL = "protocol"
    IDLE = "idle"
    UNREAD = "unread"
    STALLED = "stalled"
    REFUSED = "refused"
    STOPPING = "stopping"
