"""Measurements, each a program of its own: `python -m bench.suite` and others, from the project's root."""

import os

# gRPC's own log lines would stand between ours.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
