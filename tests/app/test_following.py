"""How a linker is kept up to date: at once after an edit, and not for each of many."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app import following
from app.assembly import build_index, link_with
from app.following import Follower
from app.service import Service
from kb import curation, queries
from kb.curation import Edit
from kb.live.feed import Bell
from kb.records import EntityRecord

PATIENCE = 60.0


class Told:
    """The kb_versions that a follower told of."""

    def __init__(self) -> None:
        self.versions: list[int] = []
        self._condition = threading.Condition()

    def __call__(self, version: int) -> None:
        with self._condition:
            self.versions.append(version)
            self._condition.notify_all()

    def wait(self, version: int) -> None:
        with self._condition:
            assert self._condition.wait_for(lambda: version in self.versions, PATIENCE), (version, self.versions)


@pytest.fixture
def service(starter_service: Service) -> Service:
    """A knowledge base of one entity, with its index and a linker of its own."""
    settings = starter_service.settings.model_copy(update={"namespace": f"followed-{uuid.uuid4().hex[:8]}"})
    engine, model = starter_service.engine, starter_service.linker.model
    put(engine, settings.namespace, "Begun")
    build_index(settings, engine, model.encoder, lambda *_: None)
    return Service(settings, engine, link_with(settings, engine, model)[0])


def put(engine: Engine, namespace: str, key: str) -> int:
    """Put an entity into a knowledge base and return the kb_version."""
    with Session(engine) as session, session.begin():
        curation.put_entities(session, namespace, [curation.stage(EntityRecord(key, key))], Edit("edit"))
        return queries.kb_version(session, namespace)


@pytest.fixture
def edit(service: Service) -> Callable[[str], int]:
    """Puts an entity into the knowledge base and returns the kb_version."""
    return lambda key: put(service.engine, service.settings.namespace, key)


@pytest.fixture
def told(service: Service) -> Iterator[Told]:
    """What a follower tells."""
    found = Told()
    follower = Follower(service.settings, service.engine, service.linker, found)
    follower.start()
    yield found
    follower.stop()


def test_edits_that_come_while_it_rests_are_taken_in_together(
    told: Told, edit: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "REST", 1e9)
    monkeypatch.setattr(following, "LONGEST_REST", 3.0)
    told.wait(edit("Resting 0"))
    last = [edit(f"Resting {number}") for number in range(1, 10)][-1]
    told.wait(last)
    assert len(told.versions) < 10


def test_a_rest_is_as_long_as_its_refresh_warrants(
    told: Told, edit: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "REST", 0)
    monkeypatch.setattr(following, "LONGEST_REST", PATIENCE * 2)
    versions = []
    for number in range(5):
        versions.append(edit(f"Restless {number}"))
        told.wait(versions[-1])
    assert told.versions == versions


def test_a_bell_that_rang_before_somebody_waits_is_heard() -> None:
    bell = Bell()
    bell.ring()
    wait = bell.listener()
    bell.ring()
    bell.ring()
    heard = threading.Event()

    def listen() -> None:
        wait(PATIENCE)
        heard.set()
        wait(PATIENCE)

    thread = threading.Thread(target=listen)
    thread.start()
    assert heard.wait(PATIENCE / 2)
    assert thread.is_alive()
    bell.ring()
    thread.join(PATIENCE / 2)
    assert not thread.is_alive()
