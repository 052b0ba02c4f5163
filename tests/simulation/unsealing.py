"""What the admin server makes of a log stream that it is asked to unseal."""

from __future__ import annotations

from grpc import StatusCode

from tests.simulation.calls import Refusal
from tests.simulation.log_stream import SimulatedLogStream

HASTE_S = 2.0  # until the admin has done with a replica that was away
ROUND_S = 5.0  # the admin seals again what seems wrong to it
HEARD_S = 1.0  # until the admin knows of every change of the metadata


def unseal(stream: SimulatedLogStream) -> None:
    """Raises `Refusal` where it went wrong.

    With a replica that isn't sealed yet the primary runs all the same, and what it takes hangs until the
    admin seals again; so it does soon after a replica that was away was sealed, which the admin then is
    about to synchronise. Soon after a move the admin doesn't know of it, and the old primary acts.
    """
    network = stream.varlog.network
    if not all(node.works for node in stream.replicas) or stream.primary in stream.synchronising:
        raise Refusal(StatusCode.UNKNOWN, "snmcl: rpc error: connection refused")
    if stream.sealed and stream.synchronising:
        network.seen["a log stream was half unsealed"] += 1
        _let_hang(stream, 2.0 + 2.0 * network.rng.random())
        raise Refusal(StatusCode.UNKNOWN, "unseal: invalid state 0")
    was_sealed, acting, now = stream.sealed, stream.acting, network.loop.time()
    stream.unseal()
    if was_sealed and now < stream.back_at + HASTE_S:
        network.seen["a log stream was unsealed in haste"] += 1
        _let_hang(stream, ROUND_S * network.rng.random())
    if was_sealed and now < stream.moved_at + HEARD_S:
        network.seen["the old primary was made to act"] += acting is not stream.primary
        stream.acting = acting


def _let_hang(stream: SimulatedLogStream, seconds: float) -> None:
    stream.half_unsealed = True
    stream.varlog.network.later(seconds, _seal_again, stream)


def _seal_again(stream: SimulatedLogStream) -> None:
    if stream.half_unsealed:
        stream.seal()
