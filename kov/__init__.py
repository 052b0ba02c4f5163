"""Kafka's protocol in front of Varlog."""

import os

# Read when gRPC is first imported. uvloop starts child processes by fork, and what gRPC does in the child, so
# that it could go on with its calls, crashes some 3 in 100 of them before their program begins.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
