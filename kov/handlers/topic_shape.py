"""How many partitions, how many replicas, and where: what Kafka's controller checks of them, in its words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError

_MAX_NEW_PARTITIONS: Final = 10_000


def check_together(partitions: int) -> None:
    """Of all that one request asks for: making them takes time, and Kafka has this bound as well."""
    if partitions > _MAX_NEW_PARTITIONS:
        raise KafkaError(
            ErrorCode.policy_violation,
            f"Excessively large number of partitions per request: at most {_MAX_NEW_PARTITIONS}.",
        )


def check_numbers(partitions: int, replicas: int, max_replicas: int) -> None:
    """Of a topic without assignments. -1 stands for the default."""
    if replicas == 0 or replicas < -1:
        raise KafkaError(
            ErrorCode.invalid_replication_factor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if partitions == 0 or partitions < -1:
        raise KafkaError(
            ErrorCode.invalid_partitions,
            "Number of partitions was set to an invalid non-positive value.",
        )
    if replicas > max_replicas:
        raise KafkaError(
            ErrorCode.invalid_replication_factor,
            f"Unable to replicate the partition {replicas} time(s): The target replication factor of "
            f"{replicas} cannot be reached because only {max_replicas} storage node(s) are there.",
        )


def check_assignments(
    partitions: int,
    replicas: int,
    placed: Mapping[int, Sequence[int]],
    count: int,
    nodes: Collection[int],
) -> None:
    """Of a topic whose maker says which nodes hold which partition; `count` is how many were said."""
    for given, what in ((replicas, "replication factor"), (partitions, "numPartitions")):
        if given != -1:
            raise KafkaError(
                ErrorCode.invalid_request,
                f"A manual partition assignment was specified, but {what} was not set to -1.",
            )
    if len(placed) != count:
        raise _misplaced("Found multiple manual partition assignments for the same partition.")
    _check_places(list(placed.values()), nodes)
    if sorted(placed) != list(range(count)):
        raise _misplaced("partitions should be a consecutive 0-based integer sequence")


def check_new_assignments(assignments: Sequence[Sequence[int]], added: int, nodes: Collection[int]) -> None:
    """Of the partitions that a topic is to get in addition."""
    if len(assignments) != added:
        raise _misplaced(
            f"Attempted to add {added} additional partition(s), but only {len(assignments)} assignment(s) "
            "were specified."
        )
    _check_places(assignments, nodes)


def _check_places(places: Sequence[Sequence[int]], nodes: Collection[int]) -> None:
    for place in places:
        if not place:
            raise _misplaced("The manual partition assignment includes an empty replica list.")
        if len(set(place)) != len(place):
            raise _misplaced("The manual partition assignment includes a broker more than once.")
        if unknown := sorted(set(place) - set(nodes)):
            raise _misplaced(
                f"The manual partition assignment includes broker {unknown[0]}, but no such broker is "
                "registered."
            )
        if len(place) != len(places[0]):
            raise _misplaced(
                f"The manual partition assignment includes a partition with {len(place)} replica(s), but "
                f"this is not consistent with previous partitions, which have {len(places[0])} replica(s)."
            )


def _misplaced(message: str) -> KafkaError:
    return KafkaError(ErrorCode.invalid_replica_assignment, message)
