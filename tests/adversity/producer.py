"""One producer, a process of its own: `python -m tests.adversity.producer BOOTSTRAP BOOK SEED`.

It is told its role and its places in a JSON line on stdin. When stdin ends it sends nothing new, waits for
what is unanswered, and exits.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from tests.adversity.book import Book, BookWriter, Place
from tests.adversity.cast import Manner, Role

ROOT = Path(__file__).resolve().parents[2]


class ProducerProcess:
    """The same from outside. `book` is followed while it runs."""

    def __init__(
        self, bootstrap: str, role: Role, places: Sequence[Place], directory: Path, seed: object
    ) -> None:
        self.role = role
        path = directory / f"{role.name}.book"
        self.book = Book(path, role.name)
        said = {**asdict(role), "manner": role.manner.value}
        with (directory / f"{role.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.adversity.producer", bootstrap, str(path), str(seed)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"role": said, "places": list(places)}).encode() + b"\n")
        self._process.stdin.flush()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """It sends nothing new from now on. Idempotent."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def kill(self) -> None:
        self.stop()
        self._process.kill()
        self._process.wait()


def main() -> int:
    # These libraries take turns in importing: only the one that is used pays.
    from tests.adversity.libraries import DRIVERS, Pace  # noqa: PLC0415

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    bootstrap, path, seed = sys.argv[1:]
    said = json.loads(sys.stdin.readline())
    role = Role(**{**said["role"], "manner": Manner(said["role"]["manner"])})
    places = [Place(*each) for each in said["places"]]
    book = BookWriter(Path(path))
    pace = Pace(role, places, book, Random(f"{seed}/{role.name}"))

    def wait_for_the_end() -> None:
        os.read(sys.stdin.fileno(), 1)
        pace.stopping.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    DRIVERS[role.library](bootstrap, role, pace, book)
    book.ended()
    # What a library still wants to do at the exit is no business of the books, and may take long.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
