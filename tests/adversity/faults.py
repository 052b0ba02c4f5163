"""What happens in a round, each to be played on a running stage under load, by chance and from a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from tests.adversity.small_disk import can_mount
from tests.adversity.stage import Stage
from tests.adversity.storage import LITE, REAL, LiteStorage, RealStorage
from tests.adversity.wire import Cut, Weather, Wire

Play = Callable[[Stage], Awaitable[None]]
Wires = Callable[[Stage], Iterable[Wire]]

_ENDED_S = 5.0


class Side(Enum):
    FRONT = "between producers and kov"
    KOV = "kov"
    BACK = "between kov and Varlog"
    STORAGE = "Varlog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`play` returns when the fault is mended. `excuses`: producers lose their connections, or kov dies.

    `weight`: how often it is drawn. `alone`: never together with another one. `possible`: on this machine.
    """

    name: str
    side: Side
    play: Play
    weight: float = 1.0
    excuses: bool = False
    alone: bool = False
    possible: Callable[[], bool] = lambda: True


def _front(stage: Stage) -> Iterable[Wire]:
    return [stage.front]


def _back(stage: Stage) -> Iterable[Wire]:
    return stage.storage.wires


def _share(stage: Stage, wires: Wires) -> float:
    """Of the connections. kov has one to each storage node, and to spare that is to do nothing."""
    return stage.chance.choice((0.5, 1.0, 1.0)) if wires is _front else 1.0


async def _between(stage: Stage, least_s: float, most_s: float) -> None:
    await asyncio.sleep(stage.chance.uniform(least_s, most_s))


def _cutting(wires: Wires, how: Cut) -> Play:
    async def play(stage: Stage) -> None:
        share = _share(stage, wires)
        for _ in range(stage.chance.randrange(1, 4)):
            for wire in wires(stage):
                wire.cut(how, stage.chance, share)
            await _between(stage, 0.0, 0.2)

    return play


def _weather(
    wires: Wires, draw: Callable[[Stage], Weather], least_s: float, most_s: float, *, cut: bool = False
) -> Play:
    async def play(stage: Stage) -> None:
        weather, share = draw(stage), _share(stage, wires)
        for wire in wires(stage):
            wire.impose(weather, stage.chance, share)
        try:
            await _between(stage, least_s, most_s)
        finally:
            for wire in wires(stage):
                if cut:
                    wire.cut_deaf(Cut.RESET)
                wire.clear()

    return play


def _stalled(stage: Stage) -> Weather:
    return Weather(stalled=True)


def _deaf(stage: Stage) -> Weather:
    return Weather(deaf=True)


def _delayed(stage: Stage) -> Weather:
    return Weather(delay_s=stage.chance.uniform(0.01, 0.2))


def _throttled(stage: Stage) -> Weather:
    return Weather(bytes_per_s=stage.chance.uniform(5_000, 50_000))


def _on_wires(side: Side, wires: Wires, *, long_s: tuple[float, float]) -> list[Kind]:
    return [
        Kind(
            name=f"{name} {side.value}",
            side=side,
            play=play,
            weight=weight,
            excuses=loses and side is Side.FRONT,
        )
        for name, play, weight, loses in (
            ("connections reset", _cutting(wires, Cut.RESET), 1.0, True),
            ("connections closed", _cutting(wires, Cut.CLOSE), 1.0, True),
            ("stalled for a moment", _weather(wires, _stalled, 0.2, 2.0), 1.0, False),
            ("stalled for long", _weather(wires, _stalled, *long_s), 0.3, False),
            ("answers lost", _weather(wires, _deaf, 0.1, 1.0, cut=True), 1.5, True),
            ("delayed", _weather(wires, _delayed, 0.5, 2.0), 0.7, False),
            ("throttled", _weather(wires, _throttled, 0.5, 2.0), 0.7, False),
        )
    ]


async def _kill_kov(stage: Stage) -> None:
    await stage.kill_kov()
    await _between(stage, 0.0, 0.5)
    await stage.start_kov()


def _freezing_kov(least_s: float, most_s: float) -> Play:
    async def play(stage: Stage) -> None:
        stage.freeze_kov()
        try:
            await _between(stage, least_s, most_s)
        finally:
            stage.thaw_kov()

    return play


async def _replace_kov(stage: Stage) -> None:
    """A second process takes over while the first is frozen, which then wakes up and knows nothing of it."""
    former = stage.kov
    stage.freeze_kov()
    await stage.add_kov()
    stage.front.abandon(stage.chance, stage.chance.choice((0.6, 1.0, 1.0)))
    await _between(stage, 0.2, 2.0)
    stage.thaw_kov(former)
    await _between(stage, 0.2, 2.0)
    await stage.retire(former)


def _freezing_storage(least_s: float, most_s: float) -> Play:
    async def play(stage: Stage) -> None:
        node = stage.chance.choice(list(stage.storage.nodes))
        stage.storage.freeze(node)
        try:
            await _between(stage, least_s, most_s)
        finally:
            stage.storage.thaw(node)
        await stage.storage.all_running()

    return play


def _killing_storage(most_s: float) -> Play:
    async def play(stage: Stage) -> None:
        node = stage.chance.choice(list(stage.storage.nodes))
        stage.storage.kill(node)
        await _between(stage, 0.0, most_s)
        await stage.storage.restart(node)
        await stage.storage.all_running()

    return play


async def _seal(stage: Stage) -> None:
    log_streams = list(stage.storage.log_streams)
    await stage.storage.seal(stage.chance.sample(log_streams, stage.chance.randrange(1, len(log_streams))))
    await _between(stage, 0.0, 1.5)
    stage.storage.let_go()
    await stage.storage.all_running()


async def _fill_disk(stage: Stage) -> None:
    assert isinstance(stage.storage, LiteStorage)
    await stage.storage.ballast.fill()
    await _between(stage, 0.2, 2.0)
    await stage.storage.ballast.free()


async def _fill_the_disk_of_one(stage: Stage) -> None:
    """The node ends itself as soon as it has to write something; what is under way hangs until then."""
    assert isinstance(stage.storage, RealStorage)
    node = stage.chance.choice(list(stage.storage.nodes))
    stage.storage.fill_disk(node)
    with suppress(TimeoutError):
        async with asyncio.timeout(_ENDED_S):
            while not stage.storage.has_ended(node):
                await asyncio.sleep(0.05)
    await _between(stage, 0.0, 2.0)
    await stage.storage.free_disk(node)
    await stage.storage.all_running()


async def _restart_metadata_repository(stage: Stage) -> None:
    assert isinstance(stage.storage, RealStorage)
    stage.storage.kill_metadata_repository()
    await _between(stage, 0.0, 1.0)
    await stage.storage.restart_metadata_repository()
    await stage.storage.all_running()


_EVERYWHERE = [
    *_on_wires(Side.FRONT, _front, long_s=(9.0, 10.0)),
    *_on_wires(Side.BACK, _back, long_s=(11.0, 14.0)),
    Kind(name="kov killed", side=Side.KOV, play=_kill_kov, weight=1.5, excuses=True),
    Kind(name="kov frozen for a moment", side=Side.KOV, play=_freezing_kov(0.1, 2.0)),
    Kind(
        name="kov frozen for long",
        side=Side.KOV,
        play=_freezing_kov(9.0, 11.0),
        weight=0.3,
    ),
    Kind(name="kov replaced while frozen", side=Side.KOV, play=_replace_kov, excuses=True),
    Kind(name="log streams sealed", side=Side.STORAGE, play=_seal, weight=1.5),
]
_ON_LITE = [
    Kind(name="storage killed", side=Side.STORAGE, play=_killing_storage(0.5), weight=1.5),
    Kind(name="storage frozen for a moment", side=Side.STORAGE, play=_freezing_storage(0.1, 2.0)),
    Kind(name="storage frozen for long", side=Side.STORAGE, play=_freezing_storage(11, 14), weight=0.3),
    Kind(name="disk full", side=Side.STORAGE, play=_fill_disk, alone=True),
]
_ON_REAL = [
    Kind(name="storage node killed", side=Side.STORAGE, play=_killing_storage(2.0), weight=3.0),
    Kind(name="storage node frozen for a moment", side=Side.STORAGE, play=_freezing_storage(0.1, 2.0)),
    Kind(name="storage node frozen for long", side=Side.STORAGE, play=_freezing_storage(7, 12), weight=0.5),
    Kind(
        name="disk full",
        side=Side.STORAGE,
        play=_fill_the_disk_of_one,
        alone=True,
        possible=can_mount,
    ),
    Kind(name="metadata repository killed", side=Side.STORAGE, play=_restart_metadata_repository, weight=1.5),
]
KINDS = {LITE: [*_EVERYWHERE, *_ON_LITE], REAL: [*_EVERYWHERE, *_ON_REAL]}
