"""`kov topics --orphans`: what is left in Varlog of topics that aren't."""

from __future__ import annotations

from pathlib import Path

import typer

from kov.config import Config
from kov.orphans import Orphan, Store, opened


async def show_orphans(config: Config, data: Path | None, *, remove: bool, wait_s: float) -> bool:
    """Lists what nothing names, and with `remove` removes it. Whether everything listed is gone, or none was.

    With an embedded store nobody else can be making topics, so there is nothing to wait for.
    """
    async with opened(config, data) as store:
        if remove and data is None and wait_s > 0:
            typer.echo(f"looking twice, {wait_s:g} s apart: a topic that is being made looks the same")
        orphans = await store.orphans(wait_s if remove and data is None else 0.0)
        if not orphans:
            typer.echo("nothing is left over")
            return True
        clean = True
        for orphan in orphans:
            typer.echo(str(orphan))
            clean = clean and (orphan.foreign or (remove and await _removed(store, orphan)))
        return clean


async def _removed(store: Store, orphan: Orphan) -> bool:
    gone = await store.remove(orphan)
    typer.echo("  removed" if gone else "  not removed")
    return gone
