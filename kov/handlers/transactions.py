"""How transactions are refused as long as they aren't served: at once, for good, everywhere alike."""

from __future__ import annotations

from kio.schema.errors import ErrorCode

from kov.errors import KafkaError


def refusal(what: str) -> KafkaError:
    """53, TRANSACTIONAL_ID_AUTHORIZATION_FAILED.

    Of all codes it is the one for which every client has a path that ends a transactional producer at once:
    librdkafka calls it fatal (`rd_kafka_txn_handle_FindCoordinator`, `rd_kafka_idemp_check_error`) where it
    retries most others until its time is over, Java, aiokafka and kafka-python raise it from the first call.
    """
    return KafkaError(
        ErrorCode.transactional_id_authorization_failed,
        f"{what} can't be used: this server doesn't serve transactions; "
        "idempotent producers without a transactional id work",
    )
