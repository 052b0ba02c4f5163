"""Writes the reference of all metrics, docs/metrics.md; with --check it only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from kov.observe.families import GROUPS, Family, Kind

PAGE = Path(__file__).with_name("metrics.md")
HEAD = """# Metrics

Made from `kov/observe/families.py` by `make docs`. They are told at `/metrics` of the port that
`kov serve --http HOST:PORT` names: [operations.md](operations.md#metrics-and-probes). Only partitions that
producers have asked for are told. Beside these there are the usual `process_*` (memory, CPU, open files,
start) and `python_gc_*` of the process.
"""
END = """
Alerts on them, each with what to do: `compose/monitoring/rules.yml`. A dashboard for Grafana:
`compose/monitoring/dashboard.json`.
"""


def page() -> str:
    parts = [HEAD]
    for title, families in GROUPS:
        rows = "\n".join(_row(family) for family in families)
        parts.append(f"\n## {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n{rows}\n")
    return "".join([*parts, END])


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{family.name}` | {_kind(family)} | {labels} | {family.help} |"


def _kind(family: Family) -> str:
    return "histogram: `_bucket`, `_sum`, `_count`" if family.kind is Kind.HISTOGRAM else str(family.kind)


def main() -> int:
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{PAGE.name} is out of date: make docs", file=sys.stderr)
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
