"""What operators see: readiness, metrics, overload, a service that cannot be opened, errors that nobody expected."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from api_client import LOCAL, problem, serving, wait_for
from sqlalchemy import create_engine
from starlette.testclient import TestClient

from app.assembly import open_linker
from app.deadlines import Deadline
from app.errors import ProblemError
from app.main import create_app
from app.metrics import Metrics
from app.pool import LinkPool
from app.readiness import FRESH_SECONDS
from app.service import Service
from app.settings import Settings
from kb.database import ServerUnreachable
from kb.snapshot import SnapshotError
from model.encoder_weights import EncoderWeightsError


def sample(client: TestClient, name: str) -> float:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_metrics_count_requests_by_template_and_what_was_linked(service: Service) -> None:
    before = service.linker.wordpieces
    with serving(service) as client:
        body = {"documents": [{"text": "Paris is the capital of France."}, {"text": "Rome is in Italy."}]}
        answer = client.post("/v1/annotate", json=body).json()
        client.post("/v1/annotate", json={})
        client.get("/no/such/page")
        mentions = [mention for document in answer["documents"] for mention in document["mentions"]]
        nil = sum(mention["entity"] is None for mention in mentions)
        assert sample(client, "namesake_texts_total") == 2
        assert sample(client, "namesake_wordpieces_total") == service.linker.wordpieces > before
        assert sample(client, "namesake_mentions_total") == len(mentions) >= 4
        assert sample(client, "namesake_links_total") == len(mentions) - nil
        assert sample(client, "namesake_nil_total") == nil
        assert sample(client, "namesake_kb_version") == service.kb_version
        assert sample(client, "namesake_ready") == 1
        assert sample(client, 'namesake_requests_total{method="POST",route="/v1/annotate",status="422"}') == 1
        assert sample(client, 'namesake_requests_total{method="GET",route="other",status="404"}') == 1
        assert sample(client, 'namesake_request_seconds_count{method="POST",route="/v1/annotate"}') == 2


def test_health_answers_while_the_service_is_still_opening(service: Service) -> None:
    release = threading.Event()

    @contextmanager
    def slow(_: Settings) -> Iterator[Service]:
        release.wait(5)
        yield service

    with TestClient(create_app(service.settings, slow), **LOCAL) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        readiness = client.get("/readyz")
        assert (readiness.status_code, readiness.json()["checks"][0]["status"]) == (503, "unknown")
        refused = client.post("/v1/annotate", json={"text": "a"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert "is starting" in refused.json()["detail"]
        release.set()
        wait_for(lambda: client.get("/readyz").status_code == 200)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (ServerUnreachable("gone"), "database"),
        (EncoderWeightsError("damaged: reinstall"), "model"),
        (SnapshotError("none: run `namesake index build`"), "index"),
        (RuntimeError("who knows"), "link"),
    ],
)
def test_a_service_that_cannot_be_opened_says_which_part_fails(settings: Settings, error: Exception, part: str) -> None:
    def broken(_: Settings) -> Any:
        raise error

    with TestClient(create_app(settings, broken), **LOCAL) as client:
        wait_for(lambda: client.get("/readyz").json()["checks"][-1]["detail"] != "not tried yet" or part != "link")
        wait_for(lambda: any(check["status"] == "fail" for check in client.get("/readyz").json()["checks"]))
        checks = client.get("/readyz").json()["checks"]
        failed = [check for check in checks if check["status"] == "fail"]
        assert [check["name"] for check in failed] == [part]
        assert failed[0]["remedy"]
        assert str(error) in failed[0]["detail"]
        assert client.get("/metrics").status_code == 200


def test_opening_is_tried_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.runtime.RETRY_SECONDS", (0.05,))
    attempts = []

    @contextmanager
    def third_time(_: Settings) -> Iterator[Service]:
        attempts.append(1)
        if len(attempts) < 3:
            raise SnapshotError("not yet")
        yield service

    with TestClient(create_app(service.settings, third_time), **LOCAL) as client:
        wait_for(lambda: client.get("/readyz").status_code == 200)
    assert len(attempts) == 3


def test_readiness_names_what_broke_after_the_start(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.readiness.FRESH_SECONDS", 0)
    with opened_copy(service, tmp_path) as copy, serving(copy) as client:
        assert client.get("/readyz").status_code == 200
        shutil.rmtree(copy.snapshot_path)
        # The files stay mapped: what was served before is served on.
        assert client.post("/v1/annotate", json={"text": "Paris"}).status_code == 200
        assert failing(client) == {"index"}
        break_linking(monkeypatch, MemoryError("out of memory"))
        assert failing(client) == {"index", "link"}


def test_a_newer_index_in_the_place_of_the_one_that_answers_is_served(service: Service, tmp_path: Path) -> None:
    with opened_copy(service, tmp_path) as copy, serving(copy) as client:
        newer = copy.snapshot_path.rename(copy.snapshot_path.with_name("9999-newer"))
        (newer.parent / "CURRENT").write_text(newer.name)
        assert failing(client) == set()
        wait_for(lambda: client.get("/v1/index").json()["snapshot"]["name"] == "9999-newer")
        assert client.post("/v1/annotate", json={"text": "Paris"}).status_code == 200
        assert failing(client) == set()


def test_the_metrics_know_the_kb_version_before_the_first_text(service: Service) -> None:
    with serving(service) as client:
        assert sample(client, "namesake_kb_version") == service.kb_version


@contextmanager
def opened_copy(service: Service, home: Path) -> Iterator[Service]:
    """Open a copy of the index, with the same database and encoder."""
    shutil.copytree(service.settings.home / "snapshots", home / "snapshots")
    (home / "cache").symlink_to(service.settings.home / "cache")
    settings = service.settings.model_copy(update={"home": home})
    linker = open_linker(settings, service.engine, build=False)
    try:
        yield Service(settings, service.engine, linker)
    finally:
        linker.close()


def failing(client: TestClient) -> set[str]:
    answer = client.get("/readyz")
    failed = {check["name"] for check in answer.json()["checks"] if check["status"] == "fail"}
    assert answer.status_code == (503 if failed else 200)
    return failed


def break_linking(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Make one step deep inside the linker fail from now on."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("model.features.compute", fail)


def test_readiness_sees_a_database_that_is_gone(service: Service) -> None:
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 2})
    with serving(replace(service, engine=engine)) as client:
        assert failing(client) == {"database"}
        assert client.post("/v1/annotate", json={"text": "Paris"}).status_code == 200


def test_probes_that_ask_often_do_not_link_each_time(service: Service) -> None:
    with serving(service) as client:
        before = service.linker.wordpieces
        client.get("/readyz")
        once = service.linker.wordpieces - before
        for _ in range(20):
            assert client.get("/readyz").status_code == 200
        assert FRESH_SECONDS >= 1
        assert once > 0
        assert service.linker.wordpieces - before < 20 * once


def test_an_unexpected_error_is_500_without_its_details(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(service, raise_server_exceptions=False) as client:
        with monkeypatch.context() as broken:
            break_linking(broken, ValueError("secret"))
            answer = client.post("/v1/annotate", json={"text": "Paris"}, headers={"X-Request-ID": "call-1"})
        assert (answer.status_code, answer.json()["instance"]) == (500, "call-1")
        assert answer.headers["x-request-id"] == "call-1"
        assert "secret" not in answer.text
        assert "call-1" in answer.json()["errors"][0]["remedy"]
        assert client.post("/v1/annotate", json={"text": "Paris"}).status_code == 200


def test_a_crowd_is_turned_away_and_loses_nothing(settings: Settings) -> None:
    small = settings.model_copy(update={"link_workers": 1, "max_waiting": 1})

    async def crowd() -> list[Any]:
        pool = LinkPool(small, Metrics())
        gate = threading.Event()
        first = asyncio.create_task(pool.run(lambda: gate.wait(5), Deadline(60)))
        second = asyncio.create_task(pool.run(lambda: "second", Deadline(60)))
        await anyio.sleep(0.05)
        with pytest.raises(ProblemError) as refused:
            await pool.run(lambda: "third", Deadline(60))
        gate.set()
        return [await first, await second, refused.value.status_code, await pool.run(lambda: "fourth", Deadline(60))]

    assert asyncio.run(crowd()) == [True, "second", 503, "fourth"]


def test_who_waits_longer_than_they_want_is_told_so_and_their_turn_goes_to_others(settings: Settings) -> None:
    async def late() -> list[Any]:
        pool = LinkPool(settings.model_copy(update={"link_workers": 1}), Metrics())
        gate = threading.Event()
        first = asyncio.create_task(pool.run(lambda: gate.wait(5), Deadline(60)))
        await anyio.sleep(0.05)
        with pytest.raises(ProblemError) as refused:
            await pool.run(lambda: pytest.fail("nobody waits for this"), Deadline(0.05))
        gate.set()
        assert refused.value.headers == {"Retry-After": "1"}
        return [await first, refused.value.kind, await pool.run(lambda: "next", Deadline(60))]

    assert asyncio.run(late()) == [True, "deadline-passed", "next"]


def test_a_request_says_how_long_it_waits(client: TestClient, settings: Settings) -> None:
    documents = {"documents": [{"text": "Lincoln is the capital of Nebraska. " * 20}] * 20}
    late = problem(client.post("/v1/annotate", json=documents, headers={"X-Timeout": "0.01"}), 503, "deadline-passed")
    assert "0.01 seconds" in late.errors[0].detail
    assert client.post("/v1/annotate", json=documents, headers={"X-Timeout": "60"}).status_code == 200
    wrong = client.post("/v1/annotate", json={"text": "Paris"}, headers={"X-Timeout": "soon"})
    assert problem(wrong, 422, "invalid-request").errors[0].field == "x-timeout"


def test_workers_add_up_their_metrics(tmp_path: Path) -> None:
    """The folder must be named before prometheus-client is loaded, so this needs processes of its own."""
    import os
    import subprocess
    import sys

    code = "from app.metrics import Metrics; m = Metrics(); m.texts.inc(2); m.ready.set(1); print(m.render().decode())"
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    for expected in ("2.0", "4.0"):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert f"namesake_texts_total {expected}" in done.stdout
