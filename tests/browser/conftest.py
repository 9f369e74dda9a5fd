"""A headless Chromium, the operating system's own, that keeps a record of its requests and of its console."""

import shutil
from collections.abc import Iterator

import pytest
from browser_records import requested
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
