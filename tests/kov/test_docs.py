"""The protocol page says what is served, and the rule that no error may be left without a code."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

from kov.errors import from_varlog
from kov.handlers import APIS
from tests import apache_kafka
from tests.apache_kafka.comparing import Allowed
from varlog_client.errors import VarlogError

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (\d+) \| (\w+) \| (\d+)\u2013(\d+) \| (\d+)\u2013(\d+) \|$", re.MULTILINE)
TITLE = re.compile(r"^- \*\*([^*]+)\*\*", re.MULTILINE)


def test_the_protocol_page_lists_exactly_what_is_served() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    listed = {
        int(key): (name, range(int(a), int(b) + 1), range(int(c), int(d) + 1))
        for key, name, a, b, c, d in ROW.findall(page)
    }
    assert listed == {key: (api.name, api.versions, api.advertised) for key, api in APIS.items()}


def kinds(base: type[VarlogError]) -> set[type[VarlogError]]:
    return {base}.union(*(kinds(child) for child in base.__subclasses__()))


def test_every_varlog_error_has_a_kafka_code() -> None:
    for kind in kinds(VarlogError):
        error = kind.__new__(kind)
        assert int(from_varlog(error).code) in {7, 56}, kind


def test_the_protocol_page_names_the_differences_that_the_comparison_allows_and_no_others() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    _, _, differences = page.partition("### Where both are asked\n")
    told, _, _ = differences.partition("### Besides\n")
    titles = [title.rstrip(".") for title in TITLE.findall(told)]
    assert sorted(titles) == sorted(allowed_titles())


def allowed_titles() -> set[str]:
    """Of every list of allowed differences in the package, whoever added it."""
    titles = set()
    for _, name, _ in pkgutil.iter_modules(apache_kafka.__path__):
        if not name.startswith(("test_", "conftest")):
            for found in vars(importlib.import_module(f"{apache_kafka.__name__}.{name}")).values():
                several = found if isinstance(found, tuple) else (found,)
                titles |= {each.title for each in several if isinstance(each, Allowed)}
    return titles
