"""Fixtures for pytest. In the topmost conftest.py: `pytest_plugins = ["kov.testing.fixtures"]`.

They are no plugin that pytest loads by itself, since kov is installed for other ends too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest

from kov.testing.broker import Broker, run_broker

_LONGEST_STEM = 100


@pytest.fixture(scope="session")
def kov_broker() -> Iterator[Broker]:
    """A running kov, one for all tests; give each a topic of its own, as `kov_topic` does.

    It runs in a thread, so tests may be synchronous or asynchronous, in whichever event loops.
    """
    with run_broker() as broker:
        yield broker


@pytest.fixture
def kov_topic(request: pytest.FixtureRequest) -> str:
    """The name of a topic that no other test uses. It comes into being when it is first used."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name).strip("-")[:_LONGEST_STEM]
    return f"{stem}-{uuid4().hex[:8]}"
