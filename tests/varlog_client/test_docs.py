"""docs/client.md and docs/client-api.md say what is so."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import varlog_client
from tests.lite_varlog import start_lite_varlog
from varlog_client import Admin, Log

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")


async def test_the_first_program_is_ten_lines_and_does_what_is_said(tmp_path: Path) -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in program.splitlines() if line]) == 10
    async with start_lite_varlog(tmp_path / "lite") as cluster:
        command = sys.executable, "-W", "error", "-c", program.replace("127.0.0.1:9090", cluster.address)
        ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30)
    assert (ended.stdout.decode(), ended.stderr.decode()) == ("1 b'hello'\n2 b'log'\n", "")


def test_every_test_that_is_named_exists() -> None:
    sources = [*ROOT.glob("tests/varlog_client/test_*.py"), *ROOT.glob("tests/contract/test_*.py")]
    there = set(re.findall(r"def (test_\w+)", "".join(each.read_text(encoding="utf-8") for each in sources)))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 50
    assert named <= there


def test_every_method_of_the_admin_and_the_log_is_in_the_table() -> None:
    for cls in (Admin, Log):
        methods = {name for name in dir(cls) if not name.startswith("_")} - {"connect", "metadata", "refresh"}
        assert {name for name in methods if f"`{cls.__name__}.{name}" not in PAGE} == set()


def test_the_reference_is_current_and_names_everything() -> None:
    check = subprocess.run([sys.executable, "docs/client_api.py", "--check"], cwd=ROOT, check=False)
    assert check.returncode == 0, "make docs"
    reference = (ROOT / "docs" / "client-api.md").read_text(encoding="utf-8")
    for name in varlog_client.__all__:
        assert f"`{name}" in reference, name


def test_every_public_class_and_method_says_what_it_does() -> None:
    for name in ("Log", "LogStreamAppender", "AppenderManager", "Subscriber", "TopicSubscriber", "Admin"):
        cls = getattr(varlog_client, name)
        public = [each for each in dir(cls) if not each.startswith("_")]
        undocumented = [each for each in public if not getattr(cls, each).__doc__]
        assert (name, cls.__doc__ is None, undocumented) == (name, False, [])
