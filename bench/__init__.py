"""Measurements, each a program of its own: `python -m bench.suite` and others, from the project's root."""

import os

import kov as kov  # before gRPC: says how child processes are started

# gRPC's own log lines would stand between ours.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
