"""What a browser asked for and complained of, and pictures of its pages."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import Chrome


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
