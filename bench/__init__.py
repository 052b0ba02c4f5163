"""Measurements: `python -m bench.produce` and `python -m bench.profile_produce`, from the project's root."""

import os

# gRPC's own log lines would stand between ours.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
