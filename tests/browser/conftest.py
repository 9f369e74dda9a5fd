"""A headless Chromium, the operating system's own, that keeps a record of its requests and of its console."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,1600",
)


@pytest.fixture(scope="session")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("browser: chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options, ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def browser(shared_browser: Chrome) -> Chrome:
    """A browser whose records are empty."""
    shared_browser.set_window_size(1200, 900)
    shared_browser.get("about:blank")
    requested(shared_browser)
    shared_browser.get_log("browser")
    return shared_browser


def requested(browser: Chrome) -> list[str]:
    """Return the addresses that pages have asked for since the last call."""
    messages: list[dict[str, Any]] = [json.loads(item["message"])["message"] for item in browser.get_log("performance")]
    sent = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    return [address for address in sent if urlsplit(address).scheme not in {"data", "blob", "about"}]


def complaints(browser: Chrome) -> list[str]:
    """Return what stands in the console since the last call, what is only said for information aside."""
    return [item["message"] for item in browser.get_log("browser") if item["level"] not in {"INFO", "DEBUG"}]


def screenshot(browser: Chrome, folder: Path, name: str) -> Path:
    """Keep a picture of the whole page, for people who wonder what a test saw."""
    height = browser.execute_script("return document.documentElement.scrollHeight")
    browser.set_window_size(1200, min(max(int(height), 800), 6000))
    path = folder / f"{name}.png"
    assert browser.save_screenshot(str(path))
    return path
