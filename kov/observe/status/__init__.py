"""The status page: what a node does now, for people. Everything is computed when somebody asks."""
