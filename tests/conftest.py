"""What all tests may use: a running kov, names of topics that nobody else uses."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.kov_process import KovProcess

# gRPC's own log lines would stand between pytest's.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

# What a shell runs in the background ignores Ctrl-C, and so would every program that tests start from there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def kov_server(tmp_path: Path) -> Iterator[KovProcess]:
    """A `kov serve` with its embedded store, for this test alone: stop, kill and restart it at will."""
    with KovProcess(tmp_path) as kov:
        yield kov


@pytest.fixture(scope="session")
def shared_kov(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KovProcess]:
    """One `kov serve` for all tests that leave it running and use topics of their own."""
    with KovProcess(tmp_path_factory.mktemp("shared-kov")) as kov:
        yield kov


@pytest.fixture
def new_topic(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes names of topics that no other test uses; nothing is created."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", request.node.name)[:80]
    return lambda: f"{stem}-{uuid4().hex[:8]}"


@pytest.fixture
def topic(new_topic: Callable[[], str]) -> str:
    return new_topic()
