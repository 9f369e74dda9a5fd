import json
import subprocess
import sys

import pytest

FAIL = """
import structlog
from app.logs import configure_logging
from app.settings import Settings

def link(text):
    raise RuntimeError("broken by nsk_0123456789abcdefghij")

configure_logging(Settings(log_format="{log_format}"))
try:
    link("something private")
except RuntimeError as error:
    structlog.get_logger("test").error("internal error", exc_info=error)
"""


def _log(log_format: str) -> str:
    script = FAIL.replace("{log_format}", log_format)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr


def test_a_traceback_in_the_json_log_says_where_and_not_with_which_values() -> None:
    logged = _log("json")
    event = json.loads(logged)
    assert (event["event"], event["level"]) == ("internal error", "error")
    assert event["exception"][0]["exc_type"] == "RuntimeError"
    assert event["exception"][0]["frames"][-1]["name"] == "link"
    assert "private" not in json.dumps(event["exception"][0]["frames"][-1])


def test_a_traceback_on_the_console_has_no_values_either() -> None:
    assert "locals" not in _log("console")
    assert "RuntimeError: broken" in _log("console")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_key_in_a_message_is_cut_off(log_format: str) -> None:
    logged = _log(log_format)
    assert "broken by nsk_" in logged
    assert "0123456789" not in logged
