"""Keys for the tests of the API, made in the database that the service uses."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from api_client import serving
from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.service import Service
from kb import keys
from kb.keys import IssuedKey, Role


def issue(
    service: Service, role: Role, namespace: str | None = "default", lifetime: timedelta | None = None
) -> IssuedKey:
    with Session(service.engine) as session, session.begin():
        return keys.create_key(session, role, f"test-{uuid.uuid4().hex[:8]}", namespace, lifetime, "a test")


def bearer(issued: IssuedKey | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issued if isinstance(issued, str) else issued.secret}"}


@contextmanager
def statements_of(service: Service) -> Iterator[list[str]]:
    """Collect what the service asks its database while the block runs."""
    found: list[str] = []

    def note(*arguments: Any) -> None:
        found.append(arguments[2])

    event.listen(service.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(service.engine, "before_cursor_execute", note)


@contextmanager
def set_up(service: Service, client: dict[str, Any] | None = None, **settings: Any) -> Iterator[TestClient]:
    """Serve with other settings, to somebody else."""
    changed = replace(service, settings=service.settings.model_copy(update=settings))
    with serving(changed, **(client or {})) as test_client:
        yield test_client
