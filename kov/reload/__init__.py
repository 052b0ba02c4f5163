"""Taking over what changes in the mapping file while kov runs."""

from __future__ import annotations

from kov.reload.changes import Changes, compare
from kov.reload.reloader import MappingFile, Reloader
from kov.reload.served import ServedTopics

__all__ = ["Changes", "MappingFile", "Reloader", "ServedTopics", "compare"]
