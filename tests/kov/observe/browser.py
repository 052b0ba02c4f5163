"""A real Chromium without a screen, for pages that people look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

MISSING: Final = "needs Chromium: apt-get install chromium chromium-driver"

_BROWSER: Final = shutil.which("chromium")
_DRIVER: Final = shutil.which("chromedriver")

_ARGUMENTS: Final = (
    "--headless=new",
    "--no-sandbox",  # as root it has none
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--lang=en",
)


def installed() -> bool:
    """In CI it must be."""
    found = _BROWSER is not None and _DRIVER is not None
    assert found or not os.environ.get("KOV_REQUIRE_TOOLCHAINS"), MISSING
    return found


@contextmanager
def browser(profile: Path, *, scripts: bool = True) -> Iterator[Chrome]:
    """It keeps its files in `profile` and ends with the block. `scripts`: whether it runs JavaScript."""
    assert _BROWSER is not None, MISSING
    assert _DRIVER is not None, MISSING
    options = ChromeOptions()
    options.binary_location = _BROWSER
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if not scripts:
        refused = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", refused)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(_DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def size(driver: Chrome, width: int, height: int, *, phone: bool = False) -> None:
    """What the page sees as its window."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def prefer(driver: Chrome, **media: str) -> None:
    """`prefers_color_scheme="dark"` and the like."""
    features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def complaints(driver: Chrome) -> list[str]:
    """What it had to say about the pages since the last call: errors of scripts, refused content."""
    return [str(entry["message"]) for entry in _log(driver) if entry["level"] == "SEVERE"]


def _log(driver: Chrome) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return entries
