"""Registers a Varlog cluster's storage nodes, makes missing topics, and writes kov's mapping file.

STORAGE_NODES: ID=HOST:PORT, separated by spaces; TOPICS: NAME=PARTITIONS. It may be run again at any time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
from pathlib import Path

import yaml

from varlog_client import Admin, StorageNodeId, VarlogError

_TIMEOUT_S = 120.0
_PAUSE_S = 1.0


async def register(address: str, nodes: dict[StorageNodeId, str]) -> None:
    """Returns when the admin server has heard of every node: before that it puts no log stream there."""
    async with asyncio.timeout(_TIMEOUT_S):
        while True:
            try:
                async with await Admin.connect(address) as admin:
                    for node, where in nodes.items():
                        await admin.add_storage_node(node, where)
                    heard = {each.storage_node_id for each in await admin.list_storage_nodes() if each.paths}
                if heard >= nodes.keys():
                    return
            except VarlogError as error:
                print(f"not yet: {error}", flush=True)
            await asyncio.sleep(_PAUSE_S)


def missing(mapping: Path, topics: dict[str, str]) -> list[str]:
    """NAME=PARTITIONS of each topic that the file doesn't have."""
    known = yaml.safe_load(mapping.read_text())["topics"] if mapping.exists() else {}
    return [f"{name}={partitions}" for name, partitions in topics.items() if name not in known]


def pairs(variable: str) -> dict[str, str]:
    return dict(each.split("=", 1) for each in os.environ[variable].split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--varlog", required=True)
    parser.add_argument("--admin", required=True)
    parser.add_argument("--mapping", required=True, type=Path)
    given = parser.parse_args()
    nodes = {StorageNodeId(int(node)): where for node, where in pairs("STORAGE_NODES").items()}
    asyncio.run(register(given.admin, nodes))
    for topic in missing(given.mapping, pairs("TOPICS")):
        cluster = [] if given.mapping.exists() else ["--varlog", given.varlog, "--admin", given.admin]
        command = ["kov", "map", str(given.mapping), *cluster, "--create", topic, "--yes"]
        subprocess.run(command, check=True)  # noqa: S603 - who runs this chose the names


if __name__ == "__main__":
    main()
