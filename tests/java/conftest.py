from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.stage import EmbeddedStage, Stage
from tests.java.driver import JavaProducer
from tests.kov_process import KovProcess


@pytest.fixture
def stage(shared_kov: KovProcess) -> Stage:
    return EmbeddedStage(shared_kov)


@pytest.fixture(scope="session")
def java_producer(tmp_path_factory: pytest.TempPathFactory) -> JavaProducer:
    """Built once; a machine without a JDK or Maven fails the tests that need it."""
    return JavaProducer.build(Path(tmp_path_factory.mktemp("java")))
