"""`kov bench`: a load, its rate and latency while it runs, and what came of it."""
