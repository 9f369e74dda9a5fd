"""Whether requests can be answered, part by part: the database, the model, the index, and a link through all of it."""

from __future__ import annotations

import threading
import time
from typing import Literal

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.expected import message_of
from app.runtime import Runtime
from app.schemas.answers import Check, Readiness
from app.service import Service
from model.types import Document, LinkOptions, Span

PartName = Literal["database", "model", "index", "link"]
PARTS: tuple[PartName, ...] = ("database", "model", "index", "link")  # in the order in which they are opened

FRESH_SECONDS = 2.0  # a probe that asks more often gets the same answer again
PROBE = Document("readyz", "Lincoln is the capital of Nebraska.", (Span(0, 7),))


class ReadinessProbe:
    """Checks the parts of one application, one check at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._last: tuple[float, Readiness] | None = None

    def check(self) -> Readiness:
        """Return what works and what does not."""
        with self._lock:
            if self._last is not None and time.monotonic() - self._last[0] < FRESH_SECONDS:
                return self._last[1]
            service = self._runtime.service
            checks = _missing(self._runtime) if service is None else _all(service)
            ready = all(check.status == "ok" for check in checks)
            answer = Readiness(status="ready" if ready else "not ready", checks=checks)
            if service is not None:  # while the service starts, the next probe should see it at once
                self._last = (time.monotonic(), answer)
            return answer


def _missing(runtime: Runtime) -> list[Check]:
    """Say which part kept the service from being opened: those before it work, those after it were not tried."""
    remedy = "wait for the start; if it stays, run `namesake doctor` on the server"
    guilty = PARTS.index(_part(runtime.failure)) if runtime.failure is not None else 0
    checks = [Check(name=name, status="ok", detail="opened") for name in PARTS[:guilty]]
    status: Literal["fail", "unknown"] = "unknown" if runtime.failure is None else "fail"
    checks.append(Check(name=PARTS[guilty], status=status, detail=runtime.reason, remedy=remedy))
    return checks + [Check(name=name, status="unknown", detail="not tried yet") for name in PARTS[guilty + 1 :]]


def _part(failure: Exception) -> PartName:
    """Return the part that an error comes from, by the module that defines it."""
    module = type(failure).__module__
    if module.startswith(("kb.snapshot", "kb.index")):
        return "index"
    if module.startswith(("kb.", "sqlalchemy", "psycopg", "app.settings")):
        return "database"
    return "model" if module.startswith("model.") else "link"


def _all(service: Service) -> list[Check]:
    return [_database(service), _model(service), _index(service), _link(service)]


def _database(service: Service) -> Check:
    try:
        with service.engine.connect() as connection:
            connection.execute(text("select 1"))
    except SQLAlchemyError as error:
        detail = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return Check(
            name="database", status="fail", detail=detail, remedy="see that Postgres runs; run `namesake doctor`"
        )
    return Check(name="database", status="ok", detail="answers")


def _model(service: Service) -> Check:
    return Check(name="model", status="ok", detail=service.model_version)


def _index(service: Service) -> Check:
    if not service.snapshot_path.is_dir():
        # The files stay mapped, so answers go on. A build that put a newer snapshot in its place is no failure.
        from app.assembly import snapshot_folders  # imports the encoder's libraries, which are loaded by now

        newest = snapshot_folders(service.settings).current()
        if newest is None or not newest.is_dir():
            detail = f"the snapshot {service.snapshot_path.name} is gone from the disk"
            return Check(name="index", status="fail", detail=detail, remedy="run `namesake index build`")
        detail = f"kb_version {service.kb_version}; a newer index is there and is being opened"
        return Check(name="index", status="ok", detail=detail)
    return Check(name="index", status="ok", detail=f"kb_version {service.kb_version}")


def _link(service: Service) -> Check:
    try:
        linked = service.linker.link([PROBE], LinkOptions())
    except Exception as error:  # whatever fails here would fail for callers
        return _no_link(message_of(error))
    if len(linked) != 1 or len(linked[0].links) != 1:
        return _no_link("the test mention got no answer")
    return Check(name="link", status="ok", detail="a test mention was answered")


def _no_link(detail: str) -> Check:
    return Check(name="link", status="fail", detail=detail, remedy="restart; if it stays, run `namesake doctor`")
