"""Jobs from the upload to the result, through the API and a worker of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from job_client import JobClient, documents, working
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
    assert (done["documents"], done["documents_done"], done["rejects"], done["parts"]) == (450, 450, 0, 3)
    found = jobs.result(job)
    assert [row["id"] for row in found] == [row["id"] for row in sent]
    body = {"documents": sent[:40], "candidates": 2, "min_confidence": 0.1}
    answer = jobs.client.post("/v1/annotate", json=body).json()
    shared = {name: value for name, value in answer.items() if name != "documents"}
    assert found[:40] == [shared | row for row in answer["documents"]]
    assert done["mentions"] == sum(len(row["mentions"]) for row in found) > 450
    assert done["links"] == sum(mention["entity"] is not None for row in found for mention in row["mentions"])
    assert [row["id"] for part in range(3) for row in jobs.result(job, part=part)] == [row["id"] for row in sent]
