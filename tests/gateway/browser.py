"""A real Chromium without a window, driven over WebDriver, that can reach nothing but this machine.

It keeps a record of everything a page asked for and everything the browser complained about.
"""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

PATIENCE_S = 20.0
PHONE = (360, 740)
DESK = (1280, 900)
# Names lead nowhere, except one that leads here: what a DNS rebinding attack looks like to a browser.
FOREIGN_NAME = "evil.example"
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    f"--host-resolver-rules=MAP {FOREIGN_NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Browser:
    """One browser with a fresh profile in `directory`. A context manager."""

    def __init__(self, directory: Path, language: str = "en", scripts: bool = True) -> None:
        program, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if program is None or driver is None:
            raise RuntimeError("chromium or chromium-driver is missing: .ci/prepare installs both")
        options = Options()
        options.binary_location = program
        for flag in (*_FLAGS, f"--user-data-dir={directory / 'profile'}"):
            options.add_argument(flag)
        preferences: dict[str, Any] = {"intl.accept_languages": language}
        if not scripts:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        options.add_experimental_option("prefs", preferences)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._options = options
        self._driver_program = driver
        self._complaints: list[str] = []
        self._requests: list[str] = []

    def __enter__(self) -> Self:
        self.driver = webdriver.Chrome(options=self._options, service=Service(self._driver_program))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.driver.quit()

    def open(self, url: str, size: tuple[int, int] = DESK, *, dark: bool = False, calm: bool = False) -> None:
        """Load a page at a size in CSS pixels; a window cannot be as narrow as a phone, its viewport can."""
        width, height = size
        mobile = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if mobile else 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(url)

    def text(self, selector: str = "body") -> str:
        """What a person can read there."""
        return str(self.driver.find_element(By.CSS_SELECTOR, selector).text)

    def all(self, selector: str) -> list[Any]:
        """The elements."""
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def run(self, script: str) -> Any:
        """The value of a script in the page; not bound by the page's policy."""
        return self.driver.execute_script(script)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Until the page shows it. Parts are replaced while one looks: a vanished element means look again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if condition():
                    return
            except (NoSuchElementException, StaleElementReferenceException):
                pass
            assert time.monotonic() < deadline, f"not shown: {what}\n{self.text()}"
            time.sleep(0.05)

    def wait_text(self, selector: str, text: str) -> None:
        """Until a place of the page says so."""
        self.wait(lambda: text in self.text(selector), f"{text} in {selector}")

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings of the console so far, violations of the policy among them."""
        self._complaints += [f"{one['level']}: {one['message']}" for one in self.driver.get_log("browser")]
        return self._complaints

    @property
    def requests(self) -> list[str]:
        """Every address asked for so far."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._requests.append(message["params"]["request"]["url"])
        return self._requests

    def picture(self, file: Path, height: int | None = None, top: str | None = None) -> None:
        """A screenshot of the page, from its top or that of an element; to its end unless a height is given."""
        area = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        y = self.run(f"return document.querySelector({top!r}).getBoundingClientRect().top + scrollY - 20") if top else 0
        clip = {"x": 0, "y": y, "width": area["width"], "height": height or area["height"] - y, "scale": 1}
        data = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True}
        )["data"]
        file.write_bytes(base64.b64decode(data))
