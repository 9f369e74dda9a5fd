"""Whatever moment a worker is killed at: each document is in the result once, and as without any kill."""

import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_client import JobClient, WorkerProcess, documents, working
from key_holders import issue
from starlette.testclient import TestClient

from app.service import Service
from kb.keys import Role

KILLS = int(os.environ.get("NAMESAKE_TEST_KILLS", "3"))  # the more, the longer
DOCUMENTS = int(os.environ.get("NAMESAKE_TEST_JOB_DOCUMENTS", "1200"))
WORKERS = 3
LEASE_SECONDS = "5"  # on a busy machine a worker may say nothing for two


@pytest.fixture(scope="module")
def jobs(client: TestClient, starter_service: Service) -> JobClient:
    return JobClient(client, issue(starter_service, Role.ANNOTATOR).secret)


class Workers:
    """Some workers, one of which is killed now and then and another one started."""

    def __init__(self, home: Path, log: Path) -> None:
        self._start = lambda: WorkerProcess(home, log, "--concurrency", "1", NAMESAKE_JOB_LEASE_SECONDS=LEASE_SECONDS)
        self.log = log
        self.running = [self._start() for _ in range(WORKERS)]

    def kill_one(self, rng: random.Random) -> None:
        number = rng.randrange(WORKERS)
        self.running[number].kill()
        self.running[number] = self._start()

    def kill_all(self) -> None:
        for worker in self.running:
            worker.kill()


@pytest.fixture
def workers(starter_home: Path, tmp_path: Path) -> Iterator[Workers]:
    found = Workers(starter_home, tmp_path / "log")
    try:
        yield found
    finally:
        found.kill_all()


@pytest.mark.timeout(7200)
def test_workers_that_are_killed(
    jobs: JobClient, starter_home: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    sent = documents(DOCUMENTS)
    with working(starter_home, tmp_path / "calm"):
        calm = jobs.send(sent)
        jobs.wait(calm, patience=3600)
    expected = jobs.result(calm)
    assert [row["id"] for row in expected] == [row["id"] for row in sent]

    workers: Workers = request.getfixturevalue("workers")
    stormy = jobs.send(sent)
    rng = random.Random(1)
    killed = 0
    while killed < KILLS:
        # Killed while it reads the file, while it links, and while it starts.
        time.sleep(rng.random() * 8)
        done = jobs.job(stormy)["documents_done"]
        if done == DOCUMENTS:  # it was too quick: the storm goes on over another one
            assert jobs.result(stormy) == expected
            stormy = jobs.send(sent)
        workers.kill_one(rng)
        killed += 1
    jobs.wait(stormy, patience=3600)
    assert jobs.result(stormy) == expected
    taken = re.findall(r'"pieces": (\d+)', workers.log.read_text())
    print(f"{killed} kills; {sum(map(int, taken))} pieces of work were begun by one worker and done by another")
