"""`python -m varlog_lite`, the same program as `varlog-lite`."""

from __future__ import annotations

from varlog_lite.cli import main

if __name__ == "__main__":
    main()
