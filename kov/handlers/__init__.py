"""What is served: one file per Kafka API, listed here once for dispatch and for the ApiVersions answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kov.handlers import (
    api_versions,
    fetch,
    find_coordinator,
    init_producer_id,
    list_offsets,
    metadata,
    produce,
)
from kov.handlers.base import Api, Context, Pending

__all__ = ["APIS", "Api", "Context", "Pending", "unsupported_version"]

_OTHERS: Final = (
    produce.API,
    fetch.API,
    list_offsets.API,
    metadata.API,
    find_coordinator.API,
    init_producer_id.API,
)
_API_VERSIONS: Final = api_versions.make(_OTHERS)

APIS: Final[Mapping[int, Api]] = {api.key: api for api in (*_OTHERS, _API_VERSIONS)}


def unsupported_version(api_key: int) -> object:
    """The answer, in version 0, to a version that isn't served; None where Kafka closes the connection."""
    return api_versions.unsupported([*APIS.values()]) if api_key == api_versions.KEY else None
