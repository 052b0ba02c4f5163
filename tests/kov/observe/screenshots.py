"""Pictures of the status page under load: `python -m tests.kov.observe.screenshots [DIRECTORY]`.

Without a directory it makes the one of the documentation anew.
"""

from __future__ import annotations

import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from selenium.webdriver import Chrome

from tests.kov.observe.browser import browser, prefer, size
from tests.kov.observe.load import disturb, load
from tests.kov_process import ROOT, KovProcess

KEPT: Final = ROOT / "docs" / "assets" / "status-page.png"
MOST_BYTES: Final = 150_000
_WATCHED_S: Final = 50.0  # until the curves have a shape


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        arguments_of_kov = ("--data", str(place / "kov-data"), "--http", "127.0.0.1:0")
        with (
            KovProcess(place, *arguments_of_kov) as kov,
            load(kov.address),
            browser(place / "profile") as driver,
        ):
            disturb(kov.address)
            size(driver, 1280, 860)
            driver.get(kov.ready_line.partition("http: ")[2])
            time.sleep(_WATCHED_S)
            if arguments:
                _all(driver, Path(arguments[0]))
            else:
                KEPT.parent.mkdir(exist_ok=True)
                KEPT.write_bytes(_small(driver.get_screenshot_as_png()))


def _all(driver: Chrome, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        prefer(driver, prefers_color_scheme=scheme)
        for name, width, height, phone in (("desktop", 1280, 860, False), ("phone", 360, 740, True)):
            size(driver, width, height, phone=phone)
            picture = directory / f"{name}-{scheme}.png"
            picture.write_bytes(driver.get_screenshot_as_png())
            whole = int(driver.execute_script("return document.documentElement.scrollHeight"))
            size(driver, width, whole, phone=phone)
            (directory / f"{name}-{scheme}-whole.png").write_bytes(driver.get_screenshot_as_png())


def _small(picture: bytes) -> bytes:
    """The same with 224 colours, which this page doesn't need more of."""
    shrunk = BytesIO()
    Image.open(BytesIO(picture)).convert("RGB").quantize(224, dither=Image.Dither.NONE).save(
        shrunk, "PNG", optimize=True
    )
    assert len(shrunk.getvalue()) < MOST_BYTES, "the picture is too large to be kept"
    return shrunk.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
