"""`namesake up` on a machine that has nothing yet: it sets up, shows a sample, serves, and stops without a trace."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from starter_service import new_home

from app.commands.serve import open_listener

NAMESAKE = str(Path(sys.executable).parent / "namesake")
PATIENCE = 240.0


@pytest.fixture
def fresh_home(starter_home: Path) -> Iterator[Path]:
    """An empty home, but for encodings: texts that were encoded once need not be encoded again."""
    home = new_home()
    shutil.copytree(starter_home / "cache", home / "cache")
    yield home
    shutil.rmtree(home, ignore_errors=True)


def start(home: Path, host: str, port: int) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
    env |= {"NAMESAKE_HOME": str(home), "NAMESAKE_HOST": host, "NAMESAKE_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([NAMESAKE, "up"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    """Return what the process prints until a line holds the wanted words; one that says nothing is ended."""
    assert process.stdout
    watch = threading.Timer(PATIENCE, process.kill)
    watch.start()
    try:
        said = ""
        for line in process.stdout:
            said += line
            if wanted in line:
                return said
    finally:
        watch.cancel()
    return pytest.fail(f"it ended before it said {wanted!r}:\n{said}")


def servers(home: Path) -> list[psutil.Process]:
    """Return the Postgres processes that work below the home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and str(home) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_up_sets_up_shows_serves_and_stops(fresh_home: Path) -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    for number, stop in enumerate((signal.SIGINT, signal.SIGTERM)):
        process = start(fresh_home, "127.0.0.2", port)
        try:
            said = read_until(process, " ready ")
            assert ("Imported the starter KB: 4,483 entities" in said) == (number == 0)
            assert "(Jaguar_Cars)" in said
            assert "Paris: Paris (Paris)" in said
            assert "Paris Hilton: Paris Hilton" in said
            assert f"the docs page is http://127.0.0.2:{port}/docs" in said
            base = f"http://127.0.0.2:{port}"
            assert "swagger" in httpx2.get(f"{base}/docs").text
            answer = httpx2.post(f"{base}/v1/annotate", json={"text": "Paris is the capital of France."}).json()
            assert [mention["entity"]["id"] for mention in answer["mentions"]] == ["Paris", "France"]
            assert servers(fresh_home)
            process.send_signal(stop)
            rest, _ = process.communicate(timeout=PATIENCE)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)
        assert process.returncode in {0, 130}
        assert "Traceback" not in rest
        assert servers(fresh_home) == []


def test_a_taken_port_is_told_before_anything_is_set_up(tmp_path: Path) -> None:
    with open_listener("127.0.0.1", 0) as taken:
        process = start(tmp_path / "home", "127.0.0.1", taken.getsockname()[1])
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "in use by another program" in said
    assert "NAMESAKE_PORT" in said
    assert not (tmp_path / "home").exists()
