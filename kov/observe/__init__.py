"""What a node shows of itself over HTTP: whether it is alive and ready, and its metrics."""
