"""Every metric of kov, named once: what is exposed, and the reference, are made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric. A counter's `name` ends with `_total`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.COUNTER, help=text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.GAUGE, help=text, labels=labels)


def _histogram(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.HISTOGRAM, help=text, labels=labels)


REQUESTS = _counter("kov_kafka_requests_total", "Kafka requests that came whole.", "api", "version")
REQUEST_ERRORS = _counter(
    "kov_kafka_request_errors_total",
    "Error codes in answers, by Kafka's names; one for each partition or other part that has it.",
    "api",
    "error",
)
REQUEST_SECONDS = _histogram(
    "kov_kafka_request_duration_seconds",
    "From a request's last byte to its answer; for Fetch with the wait that it asks for.",
    "api",
)
REQUEST_BYTES = _counter("kov_kafka_request_bytes_total", "Bytes of Kafka requests.", "api")
RESPONSE_BYTES = _counter("kov_kafka_response_bytes_total", "Bytes of answers to Kafka requests.", "api")
IN_PROGRESS = _gauge("kov_kafka_requests_in_progress", "Kafka requests that aren't answered yet.")

CONNECTIONS = _gauge("kov_connections", "Open connections of Kafka clients.")
CONNECTIONS_OPENED = _counter("kov_connections_opened_total", "Connections of Kafka clients that came.")
CONNECTIONS_CLOSED = _counter(
    "kov_connections_closed_total", "Connections of Kafka clients that ended, by why.", "reason"
)
CLIENTS = _gauge(
    "kov_client_connections",
    "Open connections by what clients call their library; other: beyond the first hundred of them.",
    "software",
    "version",
)

PARTITIONS = _gauge("kov_partitions", "Partitions that this node was asked to write, by state.", "state")
PARTITION_STATE = _gauge(
    "kov_partition_state", "1 for the state that the partition is in.", "topic", "partition", "state"
)
END_OFFSET = _gauge("kov_partition_end_offset", "The offset of the next record.", "topic", "partition")
START_OFFSET = _gauge(
    "kov_partition_start_offset", "The first offset that can be read.", "topic", "partition"
)
EPOCH = _gauge("kov_partition_epoch", "The newest leader epoch in the log.", "topic", "partition")
RECORDS = _counter(
    "kov_partition_records_total",
    "Records sent to the log; what is sent anew after a doubt counts again.",
    "topic",
    "partition",
)
BATCHES = _counter("kov_partition_batches_total", "Record batches sent to the log.", "topic", "partition")
APPENDED_BYTES = _counter(
    "kov_partition_appended_bytes_total", "Bytes of record batches sent to the log.", "topic", "partition"
)
APPENDS = _counter(
    "kov_partition_appends_total",
    "Appends sent to the log stream, each with one entry or more.",
    "topic",
    "partition",
)
QUEUED = _gauge(
    "kov_partition_queued_batches", "Batches that were taken and not sent yet.", "topic", "partition"
)
HELD_BYTES = _gauge("kov_partition_held_bytes", "Bytes of batches that aren't settled.", "topic", "partition")
IN_FLIGHT = _gauge(
    "kov_partition_appends_in_flight", "Appends that aren't confirmed yet.", "topic", "partition"
)
IN_DOUBT = _gauge(
    "kov_partition_in_doubt_batches",
    "Batches that may be stored or not, until the partition is open again.",
    "topic",
    "partition",
)
FENCES = _counter("kov_partition_fences_total", "Fences, by which it is opened.", "topic", "partition")
OPENINGS = _counter("kov_partition_openings_total", "How often it was opened.", "topic", "partition")
DOUBTS = _counter(
    "kov_partition_doubts_total",
    "Appends that ended without saying whether they were stored, so that it was opened anew.",
    "topic",
    "partition",
)
DEPOSALS = _counter(
    "kov_partition_deposals_total", "How often another process had taken it over.", "topic", "partition"
)
READS = _counter(
    "kov_partition_reads_total",
    "Reads that found batches: of the recent tail in memory, or of Varlog.",
    "topic",
    "partition",
    "source",
)
READ_BYTES = _counter("kov_partition_read_bytes_total", "Bytes of batches read.", "topic", "partition")
APPEND_SECONDS = _histogram(
    "kov_append_duration_seconds", "From an append's sending to its confirmation, over all partitions."
)
APPEND_ENTRIES = _histogram(
    "kov_append_size_entries", "Entries that one append carries, over all partitions."
)
BATCH_BYTES = _histogram("kov_batch_size_bytes", "Sizes of record batches, over all partitions.")

APPENDERS = _gauge("kov_varlog_appenders", "Open append streams, by storage node.", "storage_node")
APPENDERS_BUSY = _gauge(
    "kov_varlog_appends_in_flight", "Appends that a storage node hasn't answered.", "storage_node"
)
APPENDERS_OPENED = _counter(
    "kov_varlog_appenders_opened_total", "Append streams opened; more than one for a partition: reconnects."
)
APPENDERS_ENDED = _counter(
    "kov_varlog_appenders_ended_total",
    "Append streams that ended, by the client's error; AppenderClosed: closed by kov.",
    "reason",
)
SUBSCRIBERS = _gauge("kov_varlog_subscribers", "Open subscriptions.")
SUBSCRIBERS_OPENED = _counter("kov_varlog_subscribers_opened_total", "Subscriptions opened.")
REFRESHES = _counter("kov_varlog_metadata_refreshes_total", "Readings of the cluster's metadata.")
REFRESH_FAILURES = _counter(
    "kov_varlog_metadata_refresh_failures_total",
    "Readings of the cluster's metadata to which no metadata repository answered.",
)
METADATA_AGE = _gauge("kov_varlog_metadata_age_seconds", "Since the cluster's metadata was last read.")

READY = _gauge("kov_ready", "1 if clients can be sent here, as /readyz says.")
MEMORY_HELD = _gauge("kov_memory_held_bytes", "Bytes held for requests, unsettled batches and answers.")
MEMORY_LIMIT = _gauge(
    "kov_memory_limit_bytes", "The bound on kov_memory_held_bytes; there no socket is read."
)
MEMORY_TAIL = _gauge("kov_memory_tail_bytes", "Bytes of the newest batches, kept for consumers.")
LOOP_LAG = _histogram(
    "kov_event_loop_lag_seconds", "How much too late the event loop came to a timer, four times a second."
)
LOG_LINES = _counter("kov_log_lines_total", "Lines that kov had to say in its log, by level.", "level")
BUILD = _gauge("kov_build_info", "1; which kov this is.", "version", "python")
NODE = _gauge("kov_node_info", "1; which node this is.", "node_id", "cluster_id")

GROUPS: Final[tuple[tuple[str, tuple[Family, ...]], ...]] = (
    (
        "Kafka requests",
        (REQUESTS, REQUEST_ERRORS, REQUEST_SECONDS, REQUEST_BYTES, RESPONSE_BYTES, IN_PROGRESS),
    ),
    ("Connections", (CONNECTIONS, CONNECTIONS_OPENED, CONNECTIONS_CLOSED, CLIENTS)),
    (
        "Partitions",
        (
            PARTITIONS,
            PARTITION_STATE,
            END_OFFSET,
            START_OFFSET,
            EPOCH,
            RECORDS,
            BATCHES,
            APPENDED_BYTES,
            APPENDS,
            QUEUED,
            HELD_BYTES,
            IN_FLIGHT,
            IN_DOUBT,
            FENCES,
            OPENINGS,
            DOUBTS,
            DEPOSALS,
            READS,
            READ_BYTES,
            APPEND_SECONDS,
            APPEND_ENTRIES,
            BATCH_BYTES,
        ),
    ),
    (
        "Varlog",
        (
            APPENDERS,
            APPENDERS_BUSY,
            APPENDERS_OPENED,
            APPENDERS_ENDED,
            SUBSCRIBERS,
            SUBSCRIBERS_OPENED,
            REFRESHES,
            REFRESH_FAILURES,
            METADATA_AGE,
        ),
    ),
    (
        "The process",
        (READY, MEMORY_HELD, MEMORY_LIMIT, MEMORY_TAIL, LOOP_LAG, LOG_LINES, BUILD, NODE),
    ),
)
FAMILIES: Final = tuple(family for _, families in GROUPS for family in families)
