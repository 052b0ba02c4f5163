"""What kov is built from, in a directory of its own: building leaves files beside the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.kov_process import ROOT

PACKAGES = ("kov", "varlog_client", "varlog_lite")
_FILES = ("pyproject.toml", "MANIFEST.in", "constraints.txt", "README.md", "CHANGELOG.md", "LICENSE")
_BUILD_S = 300.0


def copy_sources(directory: Path, *more: str) -> Path:
    """`more`: further files or directories of the project. Returns `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in (*_FILES, *PACKAGES, *more):
        source, target = ROOT / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    return directory


def shipped_files(root: Path = ROOT) -> set[str]:
    """Every file of the packages, relative to `root`."""
    found = (each for package in PACKAGES for each in (root / package).rglob("*") if each.is_file())
    return {each.relative_to(root).as_posix() for each in found if "__pycache__" not in each.parts}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What it prints. AssertionError, with what it said, where it fails."""
    words = [str(each) for each in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
    )
    assert done.returncode == 0, f"{' '.join(words)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def shell(command: str, directory: Path, programs: Path) -> str:
    """The same of a line for the shell, with `programs` before everything else on PATH."""
    path = f"PATH={programs}{os.pathsep}{os.environ['PATH']}"
    return run("env", "-u", "PYTHONPATH", path, "bash", "-euo", "pipefail", "-c", command, cwd=directory)


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Reaches the package index that pip is configured for, and nothing else."""
    run(python, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check", "--no-input")
