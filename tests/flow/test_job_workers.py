"""Workers: which work they take, how they end, and what they do where something is in their way."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from api_client import serving, wait_for
from job_client import JobClient, WorkerProcess, documents, lines, working
from key_holders import issue
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient
from test_api_server import server

from app.service import Service
from kb.keys import Role


@dataclass(frozen=True)
class Workplace:
    """Where workers of a test work, and write their logs."""

    home: Path
    log: Path

    def working(self, *options: str, **settings: str) -> AbstractContextManager[WorkerProcess]:
        return working(self.home, self.log, *options, **settings)


@pytest.fixture
def worker_home(starter_home: Path, tmp_path: Path) -> Workplace:
    return Workplace(starter_home, tmp_path / "log")


@pytest.fixture(scope="module")
def jobs(client: TestClient, starter_service: Service) -> JobClient:
    return JobClient(client, issue(starter_service, Role.ANNOTATOR).secret)


def execute(service: Service, statement: str, **values: Any) -> None:
    with Session(service.engine) as session, session.begin():
        session.execute(text(statement), values)


def failed(jobs: JobClient, job: int) -> dict[str, Any]:
    """Wait until a job has failed, and return it."""
    wait_for(lambda: bool(jobs.job(job)["status"] == "failed"))
    return jobs.job(job)


def waiting(service: Service) -> list[str]:
    """Return the states of what is in the queue."""
    with Session(service.engine) as session:
        return list(session.execute(text("SELECT status::text FROM procrastinate.procrastinate_jobs")).scalars())


def test_the_more_urgent_job_goes_first(client: TestClient, starter_service: Service, worker_home: Workplace) -> None:
    admin = JobClient(client, issue(starter_service, Role.ADMIN).secret)
    later, sooner = admin.send(documents(400)), admin.send(documents(400), priority=5)
    with worker_home.working("--concurrency", "1"):
        admin.wait(sooner)
        assert admin.job(later)["documents_done"] == 0
        admin.wait(later)


def test_a_worker_that_is_told_to_stop_finishes_what_it_does(
    jobs: JobClient, starter_service: Service, worker_home: Workplace
) -> None:
    sent = documents(1200)
    job = jobs.send(sent)
    with worker_home.working() as worker:
        jobs.until(job, lambda found: found["documents_done"] > 0)
        assert worker.stop() == 0
    stopped = jobs.job(job)
    assert (stopped["status"], stopped["documents_done"] < 1200) == ("running", True)
    assert "doing" not in waiting(starter_service)
    with worker_home.working():
        jobs.wait(job)
    assert [row["id"] for row in jobs.result(job)] == [row["id"] for row in sent]


def test_a_worker_that_was_taken_for_dead_spoils_nothing(jobs: JobClient, worker_home: Workplace) -> None:
    sent = documents(800)
    with worker_home.working("--concurrency", "2") as sleeper:
        job = jobs.send(sent)
        jobs.until(job, lambda found: found["parts"] > 2)
        sleeper.process.send_signal(signal.SIGSTOP)
        try:
            with worker_home.working():
                jobs.wait(job)
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
        found = jobs.result(job)
        jobs.wait(jobs.send(documents(10)))  # it works on
    assert jobs.result(job) == found
    assert [row["id"] for row in found] == [row["id"] for row in sent]


def test_connections_that_are_lost_lose_no_work(
    jobs: JobClient, starter_service: Service, starter_home: Path, tmp_path: Path
) -> None:
    sent = documents(1200)
    cut_off = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    with running(starter_home, tmp_path / "log"):
        job = jobs.send(sent)
        jobs.until(job, lambda found: found["documents_done"] > 0)
        for _ in range(5):
            execute(starter_service, f"{cut_off} AND pid <> pg_backend_pid()")
            time.sleep(0.7)
        jobs.wait(job)
    assert [row["id"] for row in jobs.result(job)] == [row["id"] for row in sent]


def test_a_part_that_cannot_be_linked_ends_the_job_and_can_be_retried(
    jobs: JobClient, starter_service: Service, starter_home: Path, tmp_path: Path
) -> None:
    job = jobs.send(documents(500))
    with running(starter_home, tmp_path / "log"):
        jobs.until(job, lambda found: found["complete"])
        execute(starter_service, "UPDATE annotation_chunk SET input = 'cut off' WHERE number = 2 AND result IS NULL")
        assert "JSONDecodeError" in failed(jobs, job)["reason"]
        mended = lines(documents(100, first=200))
        mend = "UPDATE annotation_chunk SET input = :input WHERE number = 2 AND job_id = :id"
        execute(starter_service, mend, input=mended, id=job)
        assert jobs.post(f"/{job}/retry").status_code == 200
        jobs.wait(job)
    assert [row["id"] for row in jobs.result(job)] == [row["id"] for row in documents(500)]


@contextmanager
def running(home: Path, log: Path, **settings: str) -> Iterator[WorkerProcess]:
    """Run a worker whose log may hold the traceback of an error that the test makes."""
    worker = WorkerProcess(home, log, **settings)
    try:
        yield worker
    finally:
        assert worker.stop() == 0


def test_old_jobs_are_deleted(jobs: JobClient, starter_service: Service, worker_home: Workplace) -> None:
    old, fresh = jobs.send(documents(1)), jobs.send(documents(1))
    for job in (old, fresh):
        jobs.post(f"/{job}/cancel")
    ages_ago = "UPDATE annotation_job SET finished_at = now() - interval '49 hours' WHERE id = :id"
    execute(starter_service, ages_ago, id=old)
    with worker_home.working(NAMESAKE_JOB_DAYS="2"):
        wait_for(lambda: bool(jobs.get(f"/{old}").status_code == 404))
    assert jobs.job(fresh)["status"] == "cancelled"


@pytest.fixture
def full_disk(small_disk: Path, starter_service: Service) -> Iterator[Path]:
    """A small disk on which the results of jobs are, full to the last byte; deleting the file makes room."""
    with Session(starter_service.engine) as session:
        server = Path(session.execute(text("SHOW data_directory")).scalar_one()).stat()
    folder = small_disk / "tablespace"
    folder.mkdir()
    for path in (small_disk, *small_disk.parents):
        if path.stat().st_mode & 0o005 != 0o005:
            path.chmod(path.stat().st_mode | 0o055)
    os.chown(folder, server.st_uid, server.st_gid)
    with starter_service.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DELETE FROM annotation_job"))
        connection.execute(text("VACUUM FULL annotation_chunk"))
        connection.execute(text(f"CREATE TABLESPACE small LOCATION '{folder}'"))
        filler = small_disk / "filler"
        try:
            connection.execute(text("ALTER TABLE annotation_chunk SET TABLESPACE small"))
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(b"x" * 4096):
                    pass
            yield filler
        finally:
            filler.unlink(missing_ok=True)
            connection.execute(text("DELETE FROM annotation_job"))
            connection.execute(text("ALTER TABLE annotation_chunk SET TABLESPACE pg_default"))
            connection.execute(text("DROP TABLESPACE small"))


def test_a_job_waits_while_no_space_is_left(jobs: JobClient, worker_home: Workplace, full_disk: Path) -> None:
    sent = documents(450)
    job = jobs.send(sent)
    with worker_home.working():
        paused = jobs.wait(job, "paused")
        assert "no space left" in paused["reason"]
        assert "resume" in paused["reason"]
        full_disk.unlink()
        assert jobs.post(f"/{job}/resume").status_code == 200
        assert jobs.wait(job)["reason"] is None
    assert [row["id"] for row in jobs.result(job)] == [row["id"] for row in sent]


class Answers(BaseHTTPRequestHandler):
    """Serves documents, and what is no whole answer."""

    def do_GET(self) -> None:
        body = lines(documents(3))
        name = self.path.rpartition("/")[2]
        self.send_response({"away.jsonl": 302, "gone.jsonl": 404}.get(name, 200))
        if name == "away.jsonl":
            self.send_header("Location", "/open/docs.jsonl")
        self.send_header("Content-Length", str(len(body) * (2 if name == "cut.jsonl" else 1)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_documents_are_read_where_they_are(
    starter_service: Service, worker_home: Workplace, tmp_path: Path, site: str
) -> None:
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "docs.jsonl").write_bytes(lines(documents(250)))
    sources = f"{folder},{site}/open/"
    settings = starter_service.settings.model_copy(update={"job_sources": sources})
    key = issue(starter_service, Role.ANNOTATOR).secret
    with (
        serving(replace(starter_service, settings=settings)) as client,
        worker_home.working(NAMESAKE_JOB_SOURCES=sources),
    ):
        jobs = JobClient(client, key)
        (folder / "texts").mkdir()
        for row in documents(3):
            (folder / "texts" / f"{row['id']}.txt").write_text(row["text"])
        job = jobs.post(source=f"{folder}/texts").json()["id"]
        jobs.wait(job)
        assert [row["id"] for row in jobs.result(job)] == ["d0.txt", "d1.txt", "d2.txt"]
        for source, count in ((f"{folder}/docs.jsonl", 250), (f"{site}/open/docs.jsonl", 3)):
            job = jobs.post(source=source).json()["id"]
            assert jobs.wait(job)["documents_done"] == count
            assert [row["id"] for row in jobs.result(job)] == [row["id"] for row in documents(count)]
        for name, reason in (("away", "302"), ("gone", "404"), ("cut", "cut off")):
            job = jobs.post(source=f"{site}/open/{name}.jsonl").json()["id"]
            assert reason in failed(jobs, job)["reason"]


def test_a_source_that_became_a_link_or_another_file_is_not_read(
    starter_service: Service, worker_home: Workplace, tmp_path: Path
) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(lines(documents(2)))
    settings = starter_service.settings.model_copy(update={"job_sources": str(tmp_path)})
    with serving(replace(starter_service, settings=settings)) as client:
        jobs = JobClient(client, issue(starter_service, Role.ANNOTATOR).secret)
        linked = jobs.post(source=str(path)).json()["id"]
        path.rename(tmp_path / "other.jsonl")
        path.symlink_to("/etc/passwd")
        changed = jobs.post(source=str(tmp_path / "other.jsonl")).json()["id"]
        execute(starter_service, "UPDATE annotation_job SET source_stamp = 'before' WHERE id = :id", id=changed)
        with worker_home.working(NAMESAKE_JOB_SOURCES=str(tmp_path)):
            assert "symbolic link" in failed(jobs, linked)["reason"]
            assert "send a new job" in failed(jobs, changed)["reason"]


def test_an_upload_that_is_cut_off_leaves_nothing(
    starter_home: Path, starter_service: Service, tmp_path: Path, worker_home: Workplace
) -> None:
    key = issue(starter_service, Role.ANNOTATOR).secret
    with server(starter_home, tmp_path / "log") as (_, client):
        jobs = JobClient(client, key)
        head = (
            f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/x-ndjson\r\nContent-Length: 9000000\r\n\r\n"
        )
        for sent in (0, 10, 3_000_000):
            with socket.create_connection(("127.0.0.1", client.base_url.port or 80)) as connection:
                connection.sendall(head.encode() + b"x" * sent)
                time.sleep(0.3)
        wait_for(lambda: log_of(tmp_path / "log").count('"status": 408') == 3)
        assert jobs.get().json()["jobs"] == []
        assert list((starter_home / "jobs").iterdir()) == []
        with Session(starter_service.engine) as session:
            assert session.execute(text("SELECT count(*) FROM annotation_input")).scalar_one() == 0
        with worker_home.working():
            jobs.wait(jobs.send(documents(1)))
    assert "Traceback" not in log_of(tmp_path / "log")


def log_of(path: Path) -> str:
    return path.read_text()
