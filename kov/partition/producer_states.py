"""A producer of the table as control entries hold it, and back. Pure."""

from __future__ import annotations

from kov.partition.producers import Producer, Sequenced
from kov.pb.control_pb2 import ProducerState, SequencedBatch


def message_of(producer_id: int, producer: Producer) -> ProducerState:
    return ProducerState(
        producer_id=producer_id,
        epoch=producer.epoch,
        batches=[
            SequencedBatch(
                first_sequence=batch.first_sequence,
                last_sequence=batch.last_sequence,
                base_offset=batch.base_offset,
                log_append_time_ms=batch.timestamp_ms,
            )
            for batch in producer.batches
        ],
        last_seen_ms=producer.last_seen_ms,
    )


def producer_of(message: ProducerState) -> Producer:
    batches = tuple(
        Sequenced(b.first_sequence, b.last_sequence, b.base_offset, b.log_append_time_ms)
        for b in message.batches
    )
    return Producer(message.epoch, batches, message.last_seen_ms)
