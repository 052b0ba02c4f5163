"""What `kov topics`, `inspect`, `map`, `produce` and `cat` do. Nothing here is imported by `kov serve`."""
