"""What the commands beside `serve` do: topics, inspect, map, produce, cat, top, bench."""
