"""What the tests of jobs share: an API that takes them, workers in processes of their own, and documents."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from sqlalchemy import text

if TYPE_CHECKING:
    from app.service import Service

PATIENCE = 120.0
NDJSON = {"Content-Type": "application/x-ndjson"}
SENTENCES = (
    "Lincoln is the capital of Nebraska. Omaha is larger.",
    "Jordan borders Iraq, Syria and Israel; its capital is Amman.",
    "Jordan won six titles with the Chicago Bulls.",
    "Mercury is closer to the Sun than Venus.",
    "Paris is on the Seine, and Kerouac never lived in Quillmere.",
)

Json = dict[str, Any]


def documents(count: int, first: int = 0) -> list[Json]:
    """Return short documents, each with its own id and text."""
    numbers = range(first, first + count)
    return [{"id": f"d{n}", "text": f"No. {n}: {SENTENCES[n % len(SENTENCES)]}"} for n in numbers]


def lines(rows: Sequence[Json]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def forget_jobs(service: "Service") -> None:
    """Delete all jobs, and the work that waits for workers."""
    with service.engine.begin() as connection:
        for table in ("annotation_job", "procrastinate.procrastinate_jobs"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608


class JobClient:
    """Sends and follows jobs through the API."""

    def __init__(self, client: Any, key: str, namespace: str | None = None) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"}
        self.where = {} if namespace is None else {"namespace": namespace}

    def post(self, path: str = "", content: bytes = b"", headers: Json | None = None, **parameters: Any) -> Any:
        sent = self.headers | (headers or {})
        return self.client.post(f"/v1/jobs{path}", content=content, headers=sent, params=self.where | parameters)

    def get(self, path: str = "", **parameters: Any) -> Any:
        return self.client.get(f"/v1/jobs{path}", headers=self.headers, params=self.where | parameters)

    def send(self, rows: Sequence[Json], **parameters: Any) -> int:
        answer = self.post(content=lines(rows), headers=NDJSON, **parameters)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["id"])

    def job(self, job: int) -> Json:
        answer = self.get(f"/{job}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def wait(self, job: int, status: str = "done", patience: float = PATIENCE) -> Json:
        """Wait until a job is in a state, and return it."""
        return self.until(job, lambda found: bool(found["status"] == status), patience)

    def until(self, job: int, condition: Callable[[Json], bool], patience: float = PATIENCE) -> Json:
        deadline = time.monotonic() + patience
        while not condition(found := self.job(job)):
            if time.monotonic() > deadline or found["status"] in {"failed", "cancelled"}:
                pytest.fail(f"it is not so: {found}")
            time.sleep(0.05)
        return found

    def result(self, job: int, **parameters: Any) -> list[Json]:
        answer = self.get(f"/{job}/result", **parameters)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


class WorkerProcess:
    """`namesake worker` in a process of its own."""

    def __init__(self, home: Path, log: Path, *options: str, **settings: str) -> None:
        env = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
        env |= {"NAMESAKE_HOME": str(home), "NAMESAKE_LOG_FORMAT": "json", "NAMESAKE_JOB_LEASE_SECONDS": "2"} | settings
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "worker", *options],
                env=env,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def working(home: Path, log: Path, *options: str, **settings: str) -> Iterator[WorkerProcess]:
    """Run a worker as long as the block lasts; it must end in peace."""
    worker = WorkerProcess(home, log, *options, **settings)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            code = worker.stop()
            assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()
