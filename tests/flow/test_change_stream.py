"""Changes as server-sent events, from a real server: as they come, and on from the last one that was seen."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import uuid
from typing import Any

import httpx2
import pytest
from starter_service import RunningService

EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def curator(running_service: RunningService) -> dict[str, str]:
    """The header of somebody who may edit."""
    command = ["namesake", "keys", "create", "--role", "curator"]
    made = subprocess.run(command, env=running_service.env, capture_output=True, text=True, check=True)
    return {"Authorization": f"Bearer {made.stdout.splitlines()[-1]}"}


def follow(
    base_url: str, count: int, headers: dict[str, str], **parameters: Any
) -> list[tuple[float, int, dict[str, Any]]]:
    """Return so many events, each with when it came, its id and its data."""
    found: list[tuple[float, int, dict[str, Any]]] = []
    number = 0
    with httpx2.stream(
        "GET", f"{base_url}/v1/changes", headers=EVENTS | headers, params=parameters, timeout=30
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                found.append((time.monotonic(), number, json.loads(line[6:])))
                if len(found) == count:
                    break
    return found


def test_changes_come_as_they_are_made(running_service: RunningService, curator: dict[str, str]) -> None:
    base_url = running_service.base_url
    version = httpx2.get(f"{base_url}/v1/changes?limit=1").json()["kb_version"]
    keys = [f"stream/{uuid.uuid4().hex[:8]}" for _ in range(3)]
    heard: list[tuple[float, int, dict[str, Any]]] = []
    listener = threading.Thread(target=lambda: heard.extend(follow(base_url, 3, {}, since=version)))
    listener.start()
    written: list[float] = []
    for key in keys:
        time.sleep(0.7)
        made = httpx2.post(f"{base_url}/v1/entities", json={"id": key, "label": key}, headers=curator)
        assert made.status_code == 201
        written.append(time.monotonic())
    listener.join(30)
    assert [data["entity"] for _, _, data in heard] == keys
    assert all(number == data["version"] for _, number, data in heard)
    assert max(came - wrote for (came, _, _), wrote in zip(heard, written, strict=True)) < 5
    # Whoever was cut off goes on after the last one that came.
    again = follow(base_url, 2, {"Last-Event-ID": str(heard[0][1])}, since=0)
    assert [data["entity"] for _, _, data in again] == keys[1:]


def test_a_stream_that_makes_no_sense(running_service: RunningService) -> None:
    for headers, query in (
        ({"Last-Event-ID": "x"}, ""),
        ({}, "?since=-1"),
        ({}, "?from=1"),
        ({}, "?namespace=nowhere"),
    ):
        answer = httpx2.get(f"{running_service.base_url}/v1/changes{query}", headers=EVENTS | headers)
        assert answer.status_code in {404, 422}
        assert answer.headers["content-type"] == "application/problem+json"
