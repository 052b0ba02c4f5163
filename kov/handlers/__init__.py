"""What is served: one file per Kafka API, listed here once for dispatch and for the ApiVersions answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kov.handlers import (
    alter_configs,
    api_versions,
    consumer_group_heartbeat,
    create_acls,
    create_partitions,
    create_topics,
    delete_acls,
    delete_topics,
    describe_acls,
    describe_client_quotas,
    describe_cluster,
    describe_configs,
    describe_log_dirs,
    describe_producers,
    describe_topic_partitions,
    describe_user_scram_credentials,
    elect_leaders,
    fetch,
    find_coordinator,
    incremental_alter_configs,
    init_producer_id,
    join_group,
    list_config_resources,
    list_groups,
    list_offsets,
    list_partition_reassignments,
    list_transactions,
    metadata,
    offset_commit,
    offset_fetch,
    offset_for_leader_epoch,
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
    join_group.API,
    consumer_group_heartbeat.API,
    offset_commit.API,
    offset_fetch.API,
    init_producer_id.API,
    offset_for_leader_epoch.API,
    create_topics.API,
    create_partitions.API,
    delete_topics.API,
    describe_configs.API,
    incremental_alter_configs.API,
    alter_configs.API,
    describe_cluster.API,
    describe_topic_partitions.API,
    describe_producers.API,
    describe_log_dirs.API,
    elect_leaders.API,
    list_partition_reassignments.API,
    list_groups.API,
    describe_acls.API,
    create_acls.API,
    delete_acls.API,
    list_transactions.API,
    describe_client_quotas.API,
    describe_user_scram_credentials.API,
    list_config_resources.API,
)
_API_VERSIONS: Final = api_versions.make(_OTHERS)

APIS: Final[Mapping[int, Api]] = {api.key: api for api in (*_OTHERS, _API_VERSIONS)}


def unsupported_version(api_key: int) -> object:
    """The answer, in version 0, to a version that isn't served; None where Kafka closes the connection."""
    return api_versions.unsupported([*APIS.values()]) if api_key == api_versions.KEY else None
