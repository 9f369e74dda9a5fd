"""Jobs from the upload to the result, through the API and a worker of its own."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from api_client import problem, wait_for
from job_client import NDJSON, JobClient, Json, documents, lines, working
from key_holders import issue
from starlette.testclient import TestClient

from app.service import Service
from kb.keys import Role


@pytest.fixture(scope="module")
def jobs(client: TestClient, starter_service: Service) -> JobClient:
    return JobClient(client, issue(starter_service, Role.ANNOTATOR).secret)


@pytest.fixture(scope="module")
def _worker(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with working(starter_home, tmp_path_factory.mktemp("worker") / "log"):
        yield


@pytest.mark.usefixtures("_worker")
def test_the_result_of_a_job_is_what_annotate_answers(jobs: JobClient) -> None:
    sent = documents(450)
    job = jobs.send(sent, candidates=2, min_confidence=0.1)
    done = jobs.wait(job)
    assert (done["documents"], done["documents_done"], done["rejects"], done["parts"]) == (450, 450, 0, 5)
    found = jobs.result(job)
    assert [row["id"] for row in found] == [row["id"] for row in sent]
    body = {"documents": sent[:40], "candidates": 2, "min_confidence": 0.1}
    answer = jobs.client.post("/v1/annotate", json=body).json()
    shared = {name: value for name, value in answer.items() if name != "documents"}
    assert found[:40] == [shared | row for row in answer["documents"]]
    assert done["mentions"] == sum(len(row["mentions"]) for row in found) > 450
    assert done["links"] == sum(mention["entity"] is not None for row in found for mention in row["mentions"])
    assert [row["id"] for part in range(5) for row in jobs.result(job, part=part)] == [row["id"] for row in sent]


@pytest.mark.usefixtures("_worker")
def test_what_cannot_be_read_is_told_apart(jobs: JobClient) -> None:
    good = documents(3)
    bad = [
        b"{broken",
        b'{"id":"x"}',
        b'{"text":""}',
        b'{"text":5}',
        b'{"text":"Paris","mentions":[{"start":0,"end":9}]}',
    ]
    content = lines(good[:1]) + b"\n".join(bad) + b"\n" + lines(good[1:])
    job = jobs.post(content=content, headers=NDJSON).json()["id"]
    done = jobs.wait(job)
    assert (done["documents"], done["rejects"], done["documents_done"]) == (3, 5, 3)
    assert [row["id"] for row in jobs.result(job)] == ["d0", "d1", "d2"]
    rejects = [json.loads(line) for line in jobs.get(f"/{job}/rejects").text.splitlines()]
    assert [reject["position"] for reject in rejects] == [1, 2, 3, 4, 5]
    assert [reject["errors"][0]["field"] for reject in rejects[1:]] == ["text", "text", "text", "mentions.0.end"]
    assert all(error["detail"] and error["remedy"] for reject in rejects for error in reject["errors"])


@pytest.mark.usefixtures("_worker")
def test_documents_without_an_id_are_called_by_their_position(jobs: JobClient) -> None:
    job = jobs.post(content=b'{"text":"Paris"}\nx\n{"text":"Paris"}\n', headers=NDJSON).json()["id"]
    jobs.wait(job)
    assert [row["id"] for row in jobs.result(job)] == ["0", "2"]


@pytest.mark.usefixtures("_worker")
def test_a_file_of_nothing_but_rejects_is_done(jobs: JobClient) -> None:
    job = jobs.post(content=b"x\n" * 2500, headers=NDJSON).json()["id"]
    done = jobs.wait(job)
    assert (done["documents"], done["rejects"]) == (0, 2500)
    assert jobs.result(job) == []
    assert len(jobs.get(f"/{job}/rejects").text.splitlines()) == 2500


@pytest.mark.usefixtures("_worker")
def test_a_job_is_paused_and_goes_on_where_it_was(jobs: JobClient) -> None:
    sent = documents(1400)
    job = jobs.send(sent)
    jobs.until(job, lambda found: 0 < found["documents_done"] < 1000)
    assert jobs.post(f"/{job}/pause").json()["status"] == "paused"
    rested = stable(jobs, job)
    assert rested["documents_done"] < 1400
    assert rested["seconds_left"] is None
    assert jobs.post(f"/{job}/resume").json()["status"] == "running"
    going = jobs.until(job, lambda found: found["documents_done"] > rested["documents_done"])
    assert going["documents_per_second"] > 0
    assert jobs.wait(job)["documents_done"] == 1400
    assert [row["id"] for row in jobs.result(job)] == [row["id"] for row in sent]


@pytest.mark.usefixtures("_worker")
def test_a_cancelled_job_keeps_what_is_done_and_can_be_retried(jobs: JobClient) -> None:
    sent = documents(1400)
    job = jobs.send(sent)
    begun = jobs.until(job, lambda found: 0 < found["documents_done"] < 1000)
    assert begun["parts_done"] < begun["parts"]
    assert jobs.post(f"/{job}/cancel").json()["status"] == "cancelled"
    time.sleep(1)  # what was being done is thrown away
    cancelled = jobs.job(job)
    assert cancelled["documents_done"] < 1400
    parts = {part: jobs.get(f"/{job}/result", part=part) for part in range(cancelled["parts"])}
    there = [answer for answer in parts.values() if answer.status_code == 200]
    assert len(there) == cancelled["parts_done"]
    assert jobs.post(f"/{job}/retry").json()["status"] == "running"
    assert jobs.wait(job)["documents_done"] == 1400
    assert [row["id"] for row in jobs.result(job)] == [row["id"] for row in sent]


def stable(jobs: JobClient, job: int) -> dict[str, Any]:
    """Return a job when nothing more is done of it."""
    before, found = -1, jobs.job(job)
    while found["documents_done"] != before:
        time.sleep(2)
        before, found = found["documents_done"], jobs.job(job)
    return found


@pytest.mark.usefixtures("_worker")
def test_a_job_tells_how_far_it_is(jobs: JobClient) -> None:
    job = jobs.send(documents(1200))
    headers = jobs.headers | {"Accept": "text/event-stream"}
    with jobs.client.stream("GET", f"/v1/jobs/{job}", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: ")]
    done = [item["documents_done"] for item in told]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert told[-1] == jobs.job(job)
    assert (told[-1]["status"], told[-1]["seconds_left"]) == ("done", None)
    assert any(item["seconds_left"] for item in told[:-1])


@pytest.mark.usefixtures("_worker")
def test_answers_know_what_was_edited_just_before(client: TestClient, starter_service: Service) -> None:
    key, name = issue(starter_service, Role.ADMIN, None).secret, f"jobs-{uuid.uuid4().hex[:8]}"
    headers = {"Authorization": f"Bearer {key}"}
    assert client.post("/v1/namespaces", json={"name": name}, headers=headers).status_code == 201
    there = JobClient(client, key, name)
    for number in range(3):
        entity = {"id": f"Lake_{number}", "label": f"Lake Quillmere {number}", "popularity": 3}
        created = client.post("/v1/entities", params=there.where, json=entity, headers=headers)
        assert created.status_code == 201, created.text
        version = created.json()["kb_version"]
        if number:
            wait_for(lambda version=version: latest(there) >= version)
        job = there.send([{"text": f"They met at Lake Quillmere {number} again."}])
        there.wait(job)
        (row,) = there.result(job)
        assert [mention["entity"]["id"] for mention in row["mentions"]] == [f"Lake_{number}"]
        assert row["kb_version"] >= version


def latest(jobs: JobClient) -> int:
    """Return the kb_version that the worker answers with."""
    job = jobs.send([{"text": "Quillmere"}])
    jobs.wait(job)
    return int(jobs.result(job)[0]["kb_version"])


def csv_of(rows: list[Json]) -> bytes:
    return b"id,text\n" + "".join(f'{row["id"]},"{row["text"]}"\n' for row in rows).encode()


def parquet_of(rows: list[Json]) -> bytes:
    stream = io.BytesIO()
    table = pyarrow.table({"id": [row["id"] for row in rows], "text": [row["text"] for row in rows]})
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


def zip_of(rows: list[Json]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in rows:
            archive.writestr(row["id"], row["text"])
    return stream.getvalue()


@pytest.mark.usefixtures("_worker")
@pytest.mark.parametrize(
    ("content_type", "write"),
    [("text/csv", csv_of), ("application/vnd.apache.parquet", parquet_of), ("application/zip", zip_of)],
)
def test_files_of_every_kind_have_the_same_answers(
    jobs: JobClient, content_type: str, write: Callable[[list[Json]], bytes]
) -> None:
    rows = [row | {"id": f"{row['id']}.txt"} for row in documents(20)]
    job = jobs.post(content=write(rows), headers={"Content-Type": content_type}).json()["id"]
    plain = jobs.send(rows)
    jobs.wait(job)
    jobs.wait(plain)
    assert jobs.result(job) == jobs.result(plain)
    assert len(jobs.result(job)) == 20


@pytest.mark.usefixtures("_worker")
@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("parquet", parquet_of([{"id": "a", "text": "Paris"}]), "there is no column body, only id, text"),
        ("parquet", b"no such file", "not Parquet"),
        ("csv", b"a,b\n", "there is no column body, only a, b"),
        ("zip", b"no such file", "not a zip"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_fails_its_job(
    jobs: JobClient, kind: str, content: bytes, reason: str
) -> None:
    job = jobs.post(content=content, format=kind, text_field="body").json()["id"]
    wait_for(lambda: bool(jobs.job(job)["status"] == "failed"))
    assert reason in jobs.job(job)["reason"]
    problem(jobs.get(f"/{job}/result"), 409, "job-finished")
