"""Topics made at run time: what the catalog's entries mean, following them, and making new ones."""

from __future__ import annotations

from kov.catalog.catalog import Catalog, CatalogError
from kov.catalog.creation import CreationFailed, Creator

__all__ = ["Catalog", "CatalogError", "CreationFailed", "Creator"]
