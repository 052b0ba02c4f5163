"""`python -m kov`."""

from __future__ import annotations

from kov.cli import main

main()
