"""What the tests of the API share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.schemas.problem import PROBLEM_TYPE, Problem
from app.service import Service


def problem(response: Any, status: int, kind: str) -> Problem:
    """Check that an answer is a problem of this kind, whole and with remedies, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM_TYPE
    found = Problem.model_validate_json(response.text, extra="forbid")
    assert (found.status, found.type) == (status, f"urn:namesake:problem:{kind}")
    assert found.instance == response.headers["x-request-id"]
    assert found.errors
    assert all(error.field and error.detail and error.remedy for error in found.errors)
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    """Ask again and again until the condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("it did not happen within half a minute")
        time.sleep(0.02)


# A program of this machine, as the service sees it.
LOCAL: dict[str, Any] = {"client": ("127.0.0.1", 50000), "base_url": "http://127.0.0.1"}


@contextmanager
def serving(service: Service, **options: Any) -> Iterator[TestClient]:
    """Serve a service that is open already, in this process, with its own settings."""
    with TestClient(create_app(service.settings, lambda _: nullcontext(service)), **(LOCAL | options)) as client:
        wait_for(lambda: "namesake_ready 1.0" in client.get("/metrics").text)
        yield client
