"""The facts about many partitions, many connections and much in flight, of a kov on varlog_lite."""

from __future__ import annotations

import asyncio
import resource
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from bench.growth import (
    Mapped,
    cpu_s,
    held_per_mib,
    idle_connections,
    idle_share,
    mapped,
    open_s,
    resident,
)

MAPPED = 10_000
OPENED = 1_000
CONNECTIONS = 1_000
_SENDING = 10
_IDLE_S = 5.0
_MIB = 1 << 20


async def grown(directory: Path) -> Mapping[str, float]:
    """By their names in the results. Takes about a minute, most of it to make the log streams."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(dir=directory) as where:
        async with mapped(Path(where), MAPPED) as store:
            return await asyncio.to_thread(_measured, store)


def _measured(store: Mapped) -> Mapping[str, float]:
    with store.kov() as (kov, start_s):
        process = psutil.Process(kov.process.pid)
        mapped_mib, start_cpu_s = resident(process) / _MIB, cpu_s([process])
        opened_s = open_s(kov, store.topics, OPENED)
        opened_cpu_s = cpu_s([process]) - start_cpu_s
        opened = resident(process)
        with idle_connections(kov, CONNECTIONS):
            connected = resident(process)
            idle = idle_share([process], _IDLE_S)
        held = held_per_mib(kov, store.cluster.pid, store.topics[0], _SENDING)
    return {
        "mapped_start_s": start_s,
        "mapped_start_cpu_s": start_cpu_s,
        "mapped_mib": mapped_mib,
        "opened_s": opened_s,
        "opened_cpu_s": opened_cpu_s,
        "partition_kib": (opened / _MIB - mapped_mib) * 1024 / OPENED,
        "connection_kib": (connected - opened) / 1024 / CONNECTIONS,
        "connections_mib": (connected - opened) / _MIB,
        "crowded_idle_share": idle,
        "held_per_mib": held,
    }
