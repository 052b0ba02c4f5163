"""What ends a demo early."""

from __future__ import annotations


class DemoFailed(Exception):
    """The text is one line for whoever runs the demo: what went wrong, and what to do."""
