"""Jobs as the API takes, shows and changes them, where no worker touches them."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from api_client import problem, serving
from job_client import NDJSON, JobClient, documents, forget_jobs, lines
from key_holders import issue
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.examples_jobs import JOB, LINES
from app.jobs import store
from app.schemas.jobs import Job
from app.service import Service
from kb.keys import Role

FEW = 3


@pytest.fixture(scope="module")
def api(starter_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An API with small limits; jobs of its namespace wait, since no worker serves it."""
    allowed = tmp_path_factory.mktemp("allowed")
    (allowed / "two.jsonl").write_bytes(lines(documents(2)))
    (allowed / "link.jsonl").symlink_to(allowed / "two.jsonl")
    (allowed / "texts").mkdir()
    (allowed / "linked").mkdir()
    (allowed / "linked" / "a.txt").symlink_to("/etc/passwd")
    (allowed / "way").symlink_to("/etc")
    limits = {
        "jobs_per_key": FEW,
        "job_max_bytes": 10_000,
        "job_documents_per_day": 100,
        "job_sources": f"{allowed},https://example.org/dumps/",
    }
    settings = starter_service.settings.model_copy(update=limits)
    with serving(replace(starter_service, settings=settings)) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_left(starter_service: Service) -> Iterator[None]:
    forget_jobs(starter_service)
    yield
    forget_jobs(starter_service)


@pytest.fixture
def jobs(api: TestClient, starter_service: Service) -> JobClient:
    return JobClient(api, issue(starter_service, Role.ANNOTATOR).secret)


def folder_of(jobs: JobClient) -> Path:
    app: Any = jobs.client.app
    return Path(app.state.runtime.settings.job_sources.partition(",")[0])


def queued(service: Service) -> int:
    with Session(service.engine) as session:
        return int(session.execute(text("SELECT count(*) FROM procrastinate.procrastinate_jobs")).scalar_one())


def test_a_job_waits_for_a_worker(jobs: JobClient, starter_service: Service) -> None:
    answer = jobs.post(content=LINES.encode(), headers=NDJSON, candidates=3)
    assert answer.status_code == 202
    job = answer.json()
    assert job.keys() == JOB.keys() == Job.model_fields.keys()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["status"], job["format"], job["documents"], job["complete"]) == ("queued", "jsonl", 0, False)
    assert job["options"]["candidates"] == 3
    assert job == jobs.job(job["id"])
    assert queued(starter_service) == 1
    with Session(starter_service.engine) as session:
        assert b"".join(store.read_input(session, job["id"])) == LINES.encode()


def test_jobs_are_their_key_s_and_the_admins_business(jobs: JobClient, starter_service: Service) -> None:
    job = jobs.send(documents(2))
    other, admin = (JobClient(jobs.client, issue(starter_service, r).secret) for r in (Role.CURATOR, Role.ADMIN))
    for path in (f"/{job}", f"/{job}/result", f"/{job}/rejects"):
        problem(other.get(path), 404, "job-not-found")
    for verb in ("cancel", "pause", "resume", "retry"):
        problem(other.post(f"/{job}/{verb}"), 404, "job-not-found")
    assert other.get().json()["jobs"] == []
    assert [item["id"] for item in admin.get().json()["jobs"]] == [job]
    assert admin.post(f"/{job}/cancel").json()["status"] == "cancelled"
    reader = JobClient(jobs.client, issue(starter_service, Role.READER).secret)
    problem(reader.post(content=LINES.encode(), headers=NDJSON), 403, "forbidden")
    problem(jobs.client.post("/v1/jobs", content=LINES.encode(), headers=NDJSON), 401, "key-needed")
    problem(jobs.get("/999999999"), 404, "job-not-found")


def test_only_admins_go_before_others(jobs: JobClient, starter_service: Service) -> None:
    problem(jobs.post(content=LINES.encode(), headers=NDJSON, priority=1), 403, "forbidden")
    assert jobs.job(jobs.send(documents(1), priority=-3))["priority"] == -3
    admin = JobClient(jobs.client, issue(starter_service, Role.ADMIN).secret)
    assert admin.job(admin.send(documents(1), priority=10))["priority"] == 10


def test_a_job_that_is_sent_again_is_the_same(jobs: JobClient, starter_service: Service) -> None:
    key = NDJSON | {"Idempotency-Key": f"import {uuid.uuid4()}"}
    first = jobs.post(content=LINES.encode(), headers=key, candidates=1)
    again = jobs.post(content=LINES.encode(), headers=key, candidates=1)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    for content, parameters in ((LINES.encode() * 2, {"candidates": 1}), (LINES.encode(), {"candidates": 2})):
        answer = jobs.post(content=content, headers=key, **parameters)
        assert problem(answer, 422, "idempotency-key-reused").errors[0].field == "Idempotency-Key"
    other = JobClient(jobs.client, issue(starter_service, Role.ANNOTATOR).secret)
    assert other.post(content=LINES.encode(), headers=key, candidates=1).json()["id"] != first.json()["id"]
    assert queued(starter_service) == 2


def test_a_job_that_is_sent_by_many_at_once_is_made_once(jobs: JobClient, starter_service: Service) -> None:
    key = NDJSON | {"Idempotency-Key": "at once"}
    found: list[int] = []

    def send() -> None:
        found.append(jobs.post(content=LINES.encode(), headers=key).json()["id"])

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == queued(starter_service) == 1


def test_a_key_has_so_many_unfinished_jobs(jobs: JobClient) -> None:
    sent = [jobs.send(documents(1)) for _ in range(FEW)]
    answer = jobs.post(content=LINES.encode(), headers=NDJSON)
    assert "cancel one" in problem(answer, 429, "quota-reached").errors[0].remedy
    assert int(answer.headers["retry-after"]) > 0
    assert jobs.post(f"/{sent[0]}/cancel").status_code == 200
    jobs.send(documents(1))
    problem(jobs.post(f"/{sent[0]}/retry"), 429, "quota-reached")


def test_a_key_reads_so_many_documents_a_day(jobs: JobClient, starter_service: Service) -> None:
    job = jobs.send(documents(1))
    with Session(starter_service.engine) as session, session.begin():
        store.add_chunk(session, store.lock_job(session, job), store.Chunk(100, 0, b"", None))
    answer = jobs.post(content=LINES.encode(), headers=NDJSON)
    assert "NAMESAKE_JOB_DOCUMENTS_PER_DAY" in problem(answer, 429, "quota-reached").errors[0].remedy
    with Session(starter_service.engine) as session, session.begin():
        session.execute(text("UPDATE annotation_chunk SET created_at = now() - interval '25 hours'"))
    jobs.send(documents(1))


def test_states_follow_each_other(jobs: JobClient, starter_service: Service) -> None:
    job = jobs.send(documents(2))
    assert queued(starter_service) == 1
    for _ in range(2):
        paused = jobs.post(f"/{job}/pause").json()
        assert (paused["status"], queued(starter_service)) == ("paused", 0)
        assert "resume" in paused["reason"]
    assert jobs.post(f"/{job}/resume").json()["status"] == "queued"
    assert queued(starter_service) == 1
    problem(jobs.post(f"/{job}/resume"), 409, "job-unfinished")
    problem(jobs.post(f"/{job}/retry"), 409, "job-unfinished")
    problem(jobs.client.delete(f"/v1/jobs/{job}", headers=jobs.headers), 409, "job-unfinished")
    problem(jobs.get(f"/{job}/result"), 409, "job-unfinished")
    problem(jobs.get(f"/{job}/result", part=0), 409, "job-unfinished")
    cancelled = jobs.post(f"/{job}/cancel").json()
    assert (cancelled["status"], queued(starter_service)) == ("cancelled", 0)
    assert cancelled["finished_at"] is not None
    for verb in ("cancel", "pause", "resume"):
        error = problem(jobs.post(f"/{job}/{verb}"), 409, "job-finished").errors[0]
        assert error.detail == f"job {job} is cancelled"
    problem(jobs.get(f"/{job}/result"), 409, "job-finished")
    problem(jobs.get(f"/{job}/result", part=0), 404, "part-not-found")
    retried = jobs.post(f"/{job}/retry").json()
    assert (retried["status"], retried["finished_at"], queued(starter_service)) == ("queued", None, 1)
    jobs.post(f"/{job}/cancel")
    assert jobs.client.delete(f"/v1/jobs/{job}", headers=jobs.headers).status_code == 204
    problem(jobs.get(f"/{job}"), 404, "job-not-found")
    with Session(starter_service.engine) as session:
        assert session.execute(text("SELECT count(*) FROM annotation_input")).scalar_one() == 0


def test_lists_come_in_pages(jobs: JobClient) -> None:
    sent = [jobs.send(documents(1)) for _ in range(FEW)]
    first = jobs.get(limit=2).json()
    second = jobs.get(limit=2, cursor=first["cursor"]).json()
    assert [item["id"] for page in (first, second) for item in page["jobs"]] == sent[::-1]
    assert second["cursor"] is None
    jobs.post(f"/{sent[1]}/cancel")
    assert [item["id"] for item in jobs.get(status="cancelled").json()["jobs"]] == [sent[1]]
    for cursor in ("x", "LTE", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"):
        assert problem(jobs.get(cursor=cursor), 422, "invalid-request").errors[0].field == "cursor"
    problem(jobs.get(state="done"), 422, "invalid-request")


@pytest.mark.parametrize(
    ("content", "headers", "parameters", "status", "field"),
    [
        (b"x", {}, {}, 415, "Content-Type"),
        (b"x", {"Content-Type": "application/x-www-form-urlencoded"}, {}, 415, "Content-Type"),
        (b"x", {"Content-Type": "multipart/form-data; boundary=b"}, {"format": "jsonl"}, 415, "Content-Type"),
        (b"x", NDJSON | {"Content-Encoding": "gzip"}, {}, 415, "Content-Encoding"),
        (b"", NDJSON, {}, 422, "body"),
        (b"x" * 10_001, NDJSON, {}, 413, "body"),
        (b"x", NDJSON, {"format": "folder"}, 422, "format"),
        (b"x", NDJSON, {"format": "xml"}, 422, "format"),
        (b"x", NDJSON, {"candidates": 31}, 422, "candidates"),
        (b"x", NDJSON, {"types": "no such type"}, 422, "types.0"),
        (b"x", NDJSON, {"language": "nonsense!"}, 422, "language"),
        (b"x", NDJSON, {"min_confidence": "nan"}, 422, "min_confidence"),
        (b"x", NDJSON, {"min_confidenc": 0.5}, 422, "min_confidenc"),
        (b"x", NDJSON, {"priority": 11}, 422, "priority"),
        (b"x", NDJSON | {"Idempotency-Key": "k" * 201}, {}, 422, "idempotency-key"),
        (b"x", NDJSON, {"source": "https://example.org/dumps/a.jsonl"}, 422, "body"),
    ],
)
def test_what_cannot_be_taken(
    jobs: JobClient, content: bytes, headers: Any, parameters: Any, status: int, field: str, starter_service: Service
) -> None:
    answer = jobs.post(content=content, headers=headers, **parameters)
    kinds = {413: "body-too-large", 415: "unsupported-media-type", 422: "invalid-request"}
    assert problem(answer, status, kinds[status]).errors[0].field == field
    assert queued(starter_service) == 0


def test_a_large_file_is_told_which_limit_it_passed(jobs: JobClient) -> None:
    for content in (b"x" * 10_001, (b"x" * 1000 for _ in range(11))):
        answer = jobs.post(content=content, headers=NDJSON)  # type: ignore[arg-type]
        assert "NAMESAKE_JOB_MAX_BYTES" in problem(answer, 413, "body-too-large").errors[0].remedy


def test_the_format_may_be_named_or_told_by_the_type(jobs: JobClient) -> None:
    for headers, parameters in ((NDJSON, {}), ({"Content-Type": "text/plain"}, {"format": "jsonl"})):
        assert jobs.post(content=b"{}", headers=headers, **parameters).json()["format"] == "jsonl"


def test_a_source_is_a_file_a_folder_or_a_url_that_is_allowed(jobs: JobClient) -> None:
    folder = folder_of(jobs)
    sources = {f"{folder}/two.jsonl": "jsonl", f"{folder}/texts": "folder", "https://example.org/dumps/a.csv": "csv"}
    for source, kind in sources.items():
        answer = jobs.post(source=source)
        assert answer.status_code == 202, answer.text
        assert (answer.json()["source"], answer.json()["format"]) == (source, kind)


@pytest.mark.parametrize(
    "source",
    [
        "/etc/passwd",
        "two.jsonl",
        "{folder}",
        "{folder}/../two.jsonl",
        "{folder}/texts/../two.jsonl",
        "{folder}/texts/../../../../etc/passwd",
        "{folder}x/two.jsonl",
        "{folder}/link.jsonl",
        "{folder}/linked",
        "{folder}/way/passwd",
        "{folder}/nothing.jsonl",
        "file:///etc/passwd",
        "http://example.org/dumps/a.jsonl",
        "https://example.org/a.jsonl",
        "https://example.org/dumpsters/a.jsonl",
        "https://example.org/dumps/../a.jsonl",
        "https://example.org/dumps/%2e%2e/a.jsonl",
        "https://example.org/dumps/%252e%252e/a.jsonl",
        "https://example.org/dumps/\\..\\a.jsonl",
        "https://example.org:444/dumps/a.jsonl",
        "https://example.org:x/dumps/a.jsonl",
        "https://user@example.org/dumps/a.jsonl",
        "https://example.org@evil.example/dumps/a.jsonl",
        "https://example.org.evil.example/dumps/a.jsonl",
        "https://example.org/dumps/a.jsonl#x",
        "https://example.org/dumps/a\r\nHost: x.jsonl",
    ],
)
def test_a_source_that_is_not_allowed(jobs: JobClient, source: str, starter_service: Service) -> None:
    answer = jobs.post(source=source.replace("{folder}", str(folder_of(jobs))), format="jsonl")
    error = problem(answer, 422, "invalid-request").errors[0]
    assert error.field in {"source", "format"}
    assert error.remedy
    assert queued(starter_service) == 0


def test_nothing_is_allowed_until_somebody_allows_it(jobs: JobClient, client: TestClient) -> None:
    path = f"{folder_of(jobs)}/two.jsonl"
    for source in (path, "/", "https://example.org/dumps/a.csv"):
        answer = JobClient(client, jobs.headers["Authorization"].split()[1]).post(source=source)
        assert "NAMESAKE_JOB_SOURCES" in problem(answer, 422, "invalid-request").errors[0].remedy


def test_a_job_belongs_to_its_knowledge_base(jobs: JobClient, starter_service: Service) -> None:
    admin = issue(starter_service, Role.ADMIN, None).secret
    name = f"jobs-{uuid.uuid4().hex[:8]}"
    key = {"Authorization": f"Bearer {admin}"}
    there = JobClient(jobs.client, admin, name)
    problem(there.post(content=b"{}", headers=NDJSON), 404, "namespace-not-found")
    assert jobs.client.post("/v1/namespaces", json={"name": name}, headers=key).status_code == 201
    problem(there.post(content=b"{}", headers=NDJSON), 409, "namespace-empty")
    entity = {"id": "Q1", "label": "Quillmere"}
    assert jobs.client.post("/v1/entities", params={"namespace": name}, json=entity, headers=key).status_code == 201
    job = there.send([{"text": "Quillmere"}])
    assert there.job(job)["namespace"] == name
    problem(JobClient(jobs.client, admin).get(f"/{job}"), 404, "job-not-found")
    gone = jobs.client.delete(f"/v1/namespaces/{name}", params={"force": True}, headers=key)
    assert gone.status_code == 204, gone.text
    with Session(starter_service.engine) as session, pytest.raises(store.JobMissing):
        store.get_job(session, job)
