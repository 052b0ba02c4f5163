"""The fixtures as users have them."""

from __future__ import annotations

from kov.testing.fixtures import kov_broker, kov_topic

__all__ = ["kov_broker", "kov_topic"]
