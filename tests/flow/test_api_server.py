"""`namesake serve` as a process: several workers, signals, a taken port, a body that never ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

NAMESAKE = str(Path(sys.executable).parent / "namesake")
PATIENCE = 120.0
STOPPED_BY_SIGINT = {0, 130}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(
    home: Path, log: Path, *options: str, **settings: str
) -> Iterator[tuple[subprocess.Popen[bytes], httpx2.Client]]:
    """Run a server until it is ready; whatever happens, it does not outlive the block."""
    port = free_port()
    env = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
    env |= {"NAMESAKE_HOME": str(home), "NAMESAKE_LOG_FORMAT": "json", "NAMESAKE_MAX_BODY_BYTES": "1000000"} | settings
    with log.open("wb") as file:
        command = [NAMESAKE, "serve", "--port", str(port), *options]
        process = subprocess.Popen(command, env=env, stdout=file, stderr=file, start_new_session=True)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(process, client, log)
            yield process, client
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def wait_until_ready(process: subprocess.Popen[bytes], client: httpx2.Client, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the server did not become ready:\n{log.read_text()}")


def test_a_taken_port_and_a_large_body_and_sigterm(starter_home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with server(starter_home, log) as (process, client):
        port = str(client.base_url.port)
        env = os.environ | {"NAMESAKE_HOME": str(starter_home), "NAMESAKE_PORT": port}
        second = subprocess.run([NAMESAKE, "serve"], env=env, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert f"Port {port} on 127.0.0.1 is in use" in second.stderr
        assert "NAMESAKE_PORT" in second.stderr

        headers = {"Content-Type": "application/json", "X-Request-ID": "large-1"}
        for body in (b"x" * 5_000_000, (b"x" * 100_000 for _ in range(50))):
            answer = client.post("/v1/annotate", content=body, headers=headers)
            assert (answer.status_code, answer.json()["instance"]) == (413, "large-1")
        assert client.post("/v1/annotate", json={"text": "Paris"}).status_code == 200

        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    text = log.read_text()
    assert '"request_id": "large-1"' in text
    assert "Traceback" not in text


def test_two_workers_answer_and_count_together(starter_home: Path, tmp_path: Path) -> None:
    with server(starter_home, tmp_path / "log", "--workers", "2") as (process, client):
        for _ in range(20):
            # A new connection each time, so that both workers get some.
            headers = {"Connection": "close"}
            assert client.post("/v1/annotate", json={"text": "Paris"}, headers=headers).status_code in {200, 503}
        answered = 0.0
        for line in client.get("/metrics").text.splitlines():
            if line.startswith("namesake_requests_total") and "/v1/annotate" in line:
                answered += float(line.rsplit(" ", 1)[1])
        assert answered == 20
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) in STOPPED_BY_SIGINT
    assert "Traceback" not in (tmp_path / "log").read_text()
