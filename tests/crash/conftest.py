from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kov_process import KovProcess


@pytest.fixture(scope="module")
def _only_kov(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KovProcess]:
    with KovProcess(tmp_path_factory.mktemp("crash")) as kov:
        yield kov


@pytest.fixture
def kov(_only_kov: KovProcess) -> KovProcess:
    """Runs, whatever the test before did to it."""
    if _only_kov.process.poll() is not None:
        _only_kov.start()
    return _only_kov
