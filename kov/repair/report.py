"""What `kov repair` says, to people and to programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kov.partition.repair import Repaired
from kov.partition.salvage import Salvage
from kov.repair.acting import Place

_SHOWN_PRODUCERS = 5


def plan(place: Place, found: Salvage, next_offset: int | None) -> str:
    """What would be declared; `next_offset` None: it has to be stated first."""
    rows = [
        ("lost", _lost(found)),
        ("kept", _kept(found)),
        ("goes on at", "to be stated with --next-offset" if next_offset is None else f"offset {next_offset}"),
        ("producers", _producers(found)),
    ]
    return f"{place}: the log stream was trimmed too far\n" + "\n".join(f"  {a:<12}{b}" for a, b in rows)


def offset_wanted(found: Salvage) -> str:
    """Why the next offset must be stated, and where to find it."""
    shown = f"; the entries that are left show {found.least_offset} at least" if found.least_offset else ""
    return (
        "no batch is left that tells which offset comes next. State one with --next-offset, above every "
        f"offset that a client was ever told (the groups' committed offsets, the clients' logs){shown}"
    )


def done(place: Place, repaired: Repaired) -> str:
    return (
        f"{place}: repaired by the entries {repaired.fence_llsn} and {repaired.repair_llsn}; "
        f"it goes on at offset {repaired.next_offset}, epoch {repaired.epoch}"
    )


def facts(place: Place, found: Salvage, next_offset: int | None) -> dict[str, object]:
    """The plan for programs."""
    lost = [1, found.first_llsn - 1] if found.first_llsn else None
    kept = None
    if found.kept is not None:
        kept = {
            "first_offset": found.kept.next_offset,
            "records": found.kept_records,
            "batches": found.kept_batches,
        }
    return {
        "partition": str(place),
        "lost_llsns": lost,
        "kept": kept,
        "void_batches": found.void_batches,
        "next_offset": next_offset,
        "least_next_offset": found.least_offset,
        "producers_kept": sorted(found.fold.producers),
        "producers_lost": sorted(found.lost_producers),
    }


def _lost(found: Salvage) -> str:
    if not found.first_llsn:
        return "all entries, and with them every record"
    below = f"below offset {found.kept.next_offset}" if found.kept else "of the partition"
    return f"LLSNs 1 to {found.first_llsn - 1}, and with them every record {below}"


def _kept(found: Salvage) -> str:
    if found.kept is None:
        return f"nothing ({found.void_batches} batches are left that can't be numbered)"
    first, end = found.kept.next_offset, found.fold.position.next_offset
    text = f"{found.kept_batches} batches, offsets {first} to {end - 1}"
    if found.void_batches:
        text += f"; {found.void_batches} batches are void, the work of a writer that had lost the partition"
    return text


def _producers(found: Salvage) -> str:
    text = f"{len(found.fold.producers)} are known by what is kept; every other is forgotten"
    if found.lost_producers:
        text += f" (among them {', '.join(_some(sorted(found.lost_producers)))})"
    return text + ": what such a producer sends again is stored again"


def _some(ids: Sequence[int]) -> Iterator[str]:
    yield from map(str, ids[:_SHOWN_PRODUCERS])
    if len(ids) > _SHOWN_PRODUCERS:
        yield f"and {len(ids) - _SHOWN_PRODUCERS} more"
