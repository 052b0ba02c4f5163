"""Changing settings, as both the incremental and the older request do it: one resource at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kio.schema.errors import ErrorCode

from kov import topic_config
from kov.errors import KafkaError
from kov.handlers.base import Context
from kov.handlers.describe_configs import ResourceType
from kov.handlers.lookup import find_named

Edit = Callable[[Mapping[str, str]], Mapping[str, str]]

_TIMEOUT_S: Final = 30.0
_FILES_OWN: Final = {ResourceType.BROKER, ResourceType.BROKER_LOGGER}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterConfigsResourceResponse:
    resource_type: int
    resource_name: str
    error_code: ErrorCode = ErrorCode.none
    error_message: str | None = None


async def alter(context: Context, resource_type: int, name: str, edit: Edit, *, validate_only: bool) -> None:
    """Makes the settings of a topic what `edit` makes of them. Raises `KafkaError`.

    `edit` raises for what Kafka refuses before it looks at values; those are checked here.
    """
    if resource_type in _FILES_OWN:
        raise KafkaError(
            ErrorCode.policy_violation,
            "the settings of nodes can't be changed at run time: write them into the mapping file",
        )
    if resource_type != ResourceType.TOPIC:
        raise KafkaError(ErrorCode.invalid_request, f"Unexpected resource type {resource_type}.")
    if not name:
        raise KafkaError(ErrorCode.invalid_request, "Default topic resources are not allowed.")
    topic = find_named(context, name)

    def checked(current: Mapping[str, str]) -> Mapping[str, str]:
        after = edit(current)
        changed = {key: value for key, value in after.items() if current.get(key) != value}
        if problems := topic_config.problems(changed) or topic_config.conflicts(after):
            raise KafkaError(ErrorCode.invalid_config, problems[0])
        return after

    checked(topic.config.written)
    admin = context.broker.admin
    if validate_only:
        admin.check_configurable(topic)
    else:
        await admin.configure(topic, checked, _TIMEOUT_S)
