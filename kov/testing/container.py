"""kov's image under testcontainers."""

from __future__ import annotations

import re
from typing import Final, Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ContainerStatusWaitStrategy, LogMessageWaitStrategy

DEFAULT_IMAGE: Final = "kov"
"""As the Dockerfile's first lines name it. None is published."""

_PORT: Final = 9092
_ADDRESS_FILE: Final = "/tmp/kov-advertised"  # noqa: S108 - in the container, where nobody else is
_READY: Final = re.compile(r"kov is ready: ")
_WHEN_TOLD: Final = (
    f"until [ -s {_ADDRESS_FILE} ]; do sleep 0.05; done; "
    f'exec kov serve --listen 0.0.0.0:{_PORT} --advertise "$(cat {_ADDRESS_FILE})"'
)


class KovContainer(DockerContainer):
    """A kov with its embedded store in a container; topics come into being when they are used.

        with KovContainer() as kov:
            producer = AIOKafkaProducer(bootstrap_servers=kov.bootstrap_servers)

    For clients on this host, whichever port Docker chose there: the container waits until it is told what
    to advertise. `start` returns when clients are served; TimeoutError or RuntimeError, with a note of what
    kov said, when that doesn't come. Leaving it removes the container and the records in it.
    """

    def __init__(self, image: str = DEFAULT_IMAGE) -> None:
        super().__init__(image)
        self.with_exposed_ports(_PORT)
        self.with_command(["-c", _WHEN_TOLD])
        self.with_kwargs(entrypoint="sh")

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT, for a client's option of this name. The container must have been started."""
        return f"{self.get_container_host_ip()}:{self.get_exposed_port(_PORT)}"

    def start(self) -> Self:
        super().start()
        ContainerStatusWaitStrategy().wait_until_ready(self)
        self.copy_into_container(self.bootstrap_servers.encode(), _ADDRESS_FILE)
        try:
            LogMessageWaitStrategy(_READY).wait_until_ready(self)
        except (RuntimeError, TimeoutError) as error:
            error.add_note(b"".join(self.get_logs()).decode(errors="replace"))
            raise
        return self
