"""Topics made at run time: what the catalog's entries mean, following them, making, changing, deleting."""

from __future__ import annotations

from kov.catalog.catalog import Catalog, CatalogError
from kov.catalog.changes import ChangeInDoubt, ChangeLost, Changer
from kov.catalog.creation import CreationFailed, Creator
from kov.catalog.fold import CatalogTopic

__all__ = [
    "Catalog",
    "CatalogError",
    "CatalogTopic",
    "ChangeInDoubt",
    "ChangeLost",
    "Changer",
    "CreationFailed",
    "Creator",
]
