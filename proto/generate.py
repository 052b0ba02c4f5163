"""Regenerates `varlog_client/pb` and `kov/pb` from the `.proto` files beside this script.

Run `make proto`; the result is committed, so that users need no compiler. `--check` writes nothing and
exits with 1 when the committed files differ from what the `.proto` files say.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("varlog_client/pb", "kov/pb")


def generate(out: Path) -> None:
    """Writes the modules and their stubs below `out`, laid out as packages.

    The `.proto` files lie in the folders of the packages they become, so that the generated imports
    are right as they come.
    """
    sources = [
        str(path) for package in PACKAGES for path in sorted((ROOT / "proto" / package).glob("*.proto"))
    ]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'proto'}"]
    command += [f"--{plugin}_out={out}" for plugin in ("python", "grpc_python", "mypy", "mypy_grpc")]
    # The plugins are programs beside this interpreter, which needn't be an activated environment.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        [*command, *sources], check=False, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    if done.returncode:
        sys.exit(done.stderr)
    for package in PACKAGES:
        for path in (out / package).glob("*_pb2_grpc.py*"):
            if (
                "service "
                not in (ROOT / "proto" / package / f"{path.name.split('_pb2')[0]}.proto").read_text()
            ):
                path.unlink()  # the plugin writes an empty module for files without a service


def stale(out: Path) -> list[str]:
    """Names the committed files that differ from the ones in `out`, are missing, or have no source."""
    names = []
    for package in PACKAGES:
        wanted = {p.name for p in (out / package).iterdir() if p.is_file()}
        committed = {p.name for p in (ROOT / package).glob("*_pb2*") if p.is_file()}
        both = sorted(wanted & committed)
        _, mismatch, errors = filecmp.cmpfiles(out / package, ROOT / package, both, shallow=False)
        names += [f"{package}/{name}" for name in sorted({*mismatch, *errors, *(wanted ^ committed)})]
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when the committed files are stale"
    )
    args = parser.parse_args()
    if not args.check:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as tmp:
        generate(Path(tmp))
        names = stale(Path(tmp))
    for name in names:
        print(f"{name} is stale: run `make proto`", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
