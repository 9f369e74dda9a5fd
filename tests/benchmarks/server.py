"""`namesake serve` in a process of its own, to be timed and weighed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
from memory import rollup

PATIENCE = 120.0


@dataclass(frozen=True)
class Server:
    """A server process with one worker."""

    base_url: str
    process: subprocess.Popen[bytes]
    seconds_to_ready: float

    def memory(self) -> dict[str, float]:
        """Return what the worker holds, in MiB."""
        return rollup(self.process.pid)


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[Server]:
    """Start a server on a free port, give it when it is ready, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
    env |= {"NAMESAKE_HOME": str(home), "NAMESAKE_PORT": str(port), "NAMESAKE_LOG_LEVEL": "error"} | settings
    command = [str(Path(sys.executable).parent / "namesake"), "serve"]
    started = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(process, f"http://127.0.0.1:{port}/readyz", started)
        yield Server(f"http://127.0.0.1:{port}", process, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def _wait(process: subprocess.Popen[bytes], url: str, started: float) -> None:
    with httpx2.Client(timeout=10) as client:
        while time.perf_counter() - started < PATIENCE:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}")
            with suppress(httpx2.TransportError):
                if client.get(url).status_code == httpx2.codes.OK:
                    return
            time.sleep(0.02)
    raise TimeoutError("the server did not become ready")
