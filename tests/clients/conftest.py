from __future__ import annotations

import pytest

from tests.clients.stage import EmbeddedStage, Stage
from tests.kov_process import KovProcess


@pytest.fixture
def stage(shared_kov: KovProcess) -> Stage:
    return EmbeddedStage(shared_kov)
