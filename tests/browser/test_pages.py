"""The pages in a real browser: they render, work, complain of nothing, and ask nobody but the service."""

import json
import re
import subprocess
import sys
from pathlib import Path

from browser_records import complaints, requested, screenshot
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from starter_service import RunningService

NAMESAKE = str(Path(sys.executable).parent / "namesake")
SAME_NAME = Path(__file__).parents[1] / "flow" / "same_name.jsonl"
ANNOTATE = "#operations-linking-annotate_v1_annotate_post"


def wait_for(browser: Chrome, css: str, contains: str = "") -> WebElement:
    def shown(_: Chrome) -> WebElement | None:
        found = [item for item in browser.find_elements(By.CSS_SELECTOR, css) if item.is_displayed()]
        return next((item for item in found if contains in item.text), None)

    return WebDriverWait(browser, 30).until(shown, f"{css} with {contains!r} does not appear")


def check_records(browser: Chrome, service: RunningService) -> None:
    addresses = requested(browser)
    assert addresses
    assert [address for address in addresses if not address.startswith(f"{service.base_url}/")] == []
    assert complaints(browser) == []


def test_the_docs_page_renders_offline(running_service: RunningService, browser: Chrome, tmp_path: Path) -> None:
    browser.get(f"{running_service.base_url}/docs")
    wait_for(browser, ".info .title", "Namesake")
    wait_for(browser, ".opblock")
    paths = [
        item.text.replace("\u200b", "") for item in browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-path")
    ]
    assert {"/v1/annotate", "/v1/disambiguate", "/v1/entities", "/healthz", "/readyz"} <= set(paths)
    screenshot(browser, tmp_path, "docs")
    check_records(browser, running_service)


def test_the_docs_page_sends_a_request(running_service: RunningService, browser: Chrome, tmp_path: Path) -> None:
    browser.get(f"{running_service.base_url}/docs")
    wait_for(browser, f"{ANNOTATE} .opblock-summary-control").click()
    wait_for(browser, f"{ANNOTATE} .try-out__btn").click()
    body = wait_for(browser, f"{ANNOTATE} textarea.body-param__text")
    example = json.loads(body.get_property("value"))
    assert example["text"].startswith("Lincoln is the capital of Nebraska")
    wait_for(browser, f"{ANNOTATE} .execute").click()
    status = wait_for(browser, f"{ANNOTATE} .live-responses-table .response-col_status", "200")
    assert status.text.startswith("200")
    answer = json.loads(
        wait_for(browser, f"{ANNOTATE} .live-responses-table .response-col_description pre", "mentions").text
    )
    assert answer["mentions"][0]["entity"]["id"] == "Lincoln,_Nebraska"
    screenshot(browser, tmp_path, "try-it-out")
    check_records(browser, running_service)


def test_the_start_page_links_a_text(running_service: RunningService, browser: Chrome, tmp_path: Path) -> None:
    browser.get(f"{running_service.base_url}/")
    text = wait_for(browser, "#text")
    text.clear()
    # JavaScript counts an emoji as two: its marks must not slip.
    text.send_keys("e\u0301 <b>Paris</b> is the capital of France.")
    browser.execute_script("arguments[0].value = '\U0001f680 ' + arguments[0].value", text)
    browser.find_element(By.TAG_NAME, "button").click()
    wait_for(browser, "mark", "Paris")
    assert [mark.text for mark in browser.find_elements(By.TAG_NAME, "mark")] == ["Paris", "France"]
    assert "<b>Paris</b> is" in browser.find_element(By.ID, "answer").text
    screenshot(browser, tmp_path, "home")
    link = browser.find_element(By.CSS_SELECTOR, "td a")
    assert link.get_attribute("href") == f"{running_service.base_url}/v1/entities/Paris"
    check_records(browser, running_service)


def test_the_start_page_tells_what_is_wrong(running_service: RunningService, browser: Chrome, tmp_path: Path) -> None:
    browser.get(f"{running_service.base_url}/")
    wait_for(browser, "#text").clear()
    browser.find_element(By.TAG_NAME, "button").click()
    assert "text: empty. send at least one character" in wait_for(browser, ".error", "text").text
    screenshot(browser, tmp_path, "error")
    assert all("422" in complaint for complaint in complaints(browser))


def test_the_start_page_asks_for_a_key_where_one_is_needed(
    running_service: RunningService, browser: Chrome, tmp_path: Path
) -> None:
    command = [NAMESAKE, "keys", "create", "--role", "reader"]
    made = subprocess.run(command, env=running_service.env, capture_output=True, text=True, check=True)
    browser.execute_cdp_cmd("Network.enable", {})
    # As if it came through a proxy, so that it is none of this machine's requests.
    browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"X-Forwarded-Proto": "http"}})
    try:
        browser.get(f"{running_service.base_url}/")
        assert not browser.find_element(By.ID, "key").is_displayed()
        browser.find_element(By.TAG_NAME, "button").click()
        assert "there is no key" in wait_for(browser, ".error", "Authorization").text
        wait_for(browser, "#key").send_keys(made.stdout.splitlines()[-1])
        screenshot(browser, tmp_path, "key")
        browser.find_element(By.TAG_NAME, "button").click()
        wait_for(browser, "mark", "Lincoln")
    finally:
        browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
    assert all("401" in complaint for complaint in complaints(browser))


def test_the_evaluation_report_renders(running_service: RunningService, browser: Chrome, tmp_path: Path) -> None:
    benchmark = tmp_path / "sentences.jsonl"
    benchmark.write_text("".join(map(labelled, SAME_NAME.read_text(encoding="utf-8").splitlines()[:60])))
    report = tmp_path / "report"
    command = [NAMESAKE, "evaluate", "--benchmark", str(benchmark), "--mode", "a2kb", "--report", str(report)]
    done = subprocess.run(command, env=running_service.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (report / "index.html").as_uri()
    browser.get(page)
    wait_for(browser, "h1")
    text = browser.find_element(By.TAG_NAME, "body").text
    for system in ("namesake", "prior-only", "cosine-only"):
        assert system in text
    pictures = browser.find_elements(By.CSS_SELECTOR, "img, svg")
    assert pictures
    assert all(picture.size["width"] > 100 for picture in pictures)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    screenshot(browser, tmp_path, "report")
    assert all(address.startswith(report.as_uri()) for address in requested(browser))
    assert complaints(browser) == []


def labelled(line: str) -> str:
    """Turn a sentence into a line of a benchmark."""
    sentence = json.loads(line)
    start = re.search(rf"\b{re.escape(sentence['name'])}\b", sentence["text"], re.IGNORECASE).start()
    mention = {"start": start, "end": start + len(sentence["name"]), "entity": sentence["entity"], "kind": "gold"}
    name = f"{sentence['name']}/{sentence['entity']}"
    return json.dumps({"id": name, "source": "sentences", "text": sentence["text"], "mentions": [mention]}) + "\n"
