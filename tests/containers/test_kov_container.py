"""`kov.testing.KovContainer`, as users of testcontainers have it."""

from __future__ import annotations

import pytest

from kov.testing import KovContainer
from tests.containers.engine import Docker
from tests.containers.records import consumed, produced

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]  # with the making of images


@pytest.fixture(autouse=True)
def _engine(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in docker.environment.items():
        monkeypatch.setenv(name, value)
    # Its cleaner is an image from a registry.
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config._ryuk_disabled", True)


async def test_aiokafka_reads_back_what_it_produced(kov_image: str) -> None:
    values = [b"%d" % number for number in range(20)]
    with KovContainer(kov_image) as kov:
        assert await produced(kov.bootstrap_servers, "orders", values) == list(range(20))
        assert await consumed(kov.bootstrap_servers, "orders", 20) == values


def test_container_that_cannot_start_says_why(kov_image: str) -> None:
    container = KovContainer(kov_image).with_env("KOV_HTTP", "nowhere")
    with pytest.raises(RuntimeError) as raised:
        container.__enter__()
    assert "nowhere" in "".join(raised.value.__notes__)
