"""Unmodified producers against `kov serve` with its embedded store, which makes topics when they are used."""

from __future__ import annotations

from tests.clients.round_trips import RoundTrips


class TestOnTheEmbeddedStore(RoundTrips):
    pass
