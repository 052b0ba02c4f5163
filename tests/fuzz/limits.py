"""What reading the bytes of a stranger may cost."""

from __future__ import annotations

from typing import Final

SLOWEST_S: Final = 10
"""For one piece of at most 70,000 bytes, on a slow machine."""

MOST_MIB: Final = 1024
"""The whole process."""
