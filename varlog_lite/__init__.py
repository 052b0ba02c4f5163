"""Varlog on one machine: a single process that speaks Varlog's own gRPC, on LMDB. Start at `server`."""
