"""How far an import came, kept in the job table in the same transaction as what it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from kb.importers.report import Counts, ImportFailed, ImportReport

KIND = "import"
_LOCK_SEED = 0x696D70  # any number; keeps this lock apart from others that hash the same name


@dataclass(frozen=True, slots=True)
class ImportJob:
    """One run through a file: everything up to `line` is committed, with the counts up to there."""

    id: int
    line: int
    counts: Counts


@contextmanager
def exclusive(engine: Engine, namespace: str, key: str | None) -> Iterator[None]:
    """Keep other processes from importing the same file into the same namespace meanwhile.

    Raises:
        ImportFailed: another process does so already.
    """
    if key is None:
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        parameters = {"name": f"{namespace}:{key}", "seed": _LOCK_SEED}
        locked = text("SELECT pg_try_advisory_lock(hashtextextended(:name, :seed))")
        if not connection.execute(locked, parameters).scalar_one():
            raise ImportFailed("Another process is importing this file: wait for it, or stop it.")
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:name, :seed))"), parameters)


def begin(session: Session, namespace: str, key: str | None, parameters: dict[str, Any], *, restart: bool) -> ImportJob:
    """Return the unfinished job of this file, or a new one; with `restart`, always a new one.

    A job that failed met a damaged file. Lines may have been lost or garbled, so that a whole copy, which can look like
    the same file, is read from its start.
    """
    if key is not None and not restart:
        statement = text(
            "UPDATE job SET status = 'running', attempts = attempts + 1, updated_at = now() WHERE id ="
            " (SELECT max(id) FROM job WHERE namespace = :namespace AND kind = :kind AND key = :key)"
            " AND status = 'running' RETURNING id, progress"
        )
        found = session.execute(statement, {"namespace": namespace, "kind": KIND, "key": key}).first()
        if found is not None:
            saved = dict(found.progress)
            return ImportJob(found.id, saved.pop("line", 0), Counts(**saved))
    session.execute(
        text(
            "UPDATE job SET status = 'cancelled', finished_at = now(), updated_at = now()"
            " WHERE namespace = :namespace AND kind = :kind AND key = :key AND status = 'running'"
        ),
        {"namespace": namespace, "kind": KIND, "key": key},
    )
    statement = text(
        "INSERT INTO job (namespace, kind, key, status, parameters, attempts, started_at)"
        " VALUES (:namespace, :kind, :key, 'running', :parameters, 1, now()) RETURNING id"
    ).bindparams(bindparam("parameters", type_=JSONB))
    values = {"namespace": namespace, "kind": KIND, "key": key, "parameters": parameters}
    return ImportJob(session.execute(statement, values).scalar_one(), 0, Counts())


def save(session: Session, job: ImportJob, line: int, counts: Counts) -> None:
    """Note that everything up to `line` is written, once this transaction is committed."""
    statement = text("UPDATE job SET progress = :progress, updated_at = now() WHERE id = :id")
    values = {"id": job.id, "progress": {"line": line, **asdict(counts)}}
    session.execute(statement.bindparams(bindparam("progress", type_=JSONB)), values)


def finish(session: Session, job: ImportJob, report: ImportReport) -> None:
    """Note how the import ended."""
    statement = text(
        "UPDATE job SET status = :status, result = :result, error = :error, finished_at = now(),"
        " updated_at = now() WHERE id = :id"
    ).bindparams(bindparam("result", type_=JSONB))
    status = "failed" if report.damage else "done"
    counts = asdict(report.entities)
    result = {"entities": counts, "pending_relations": report.pending_relations, "seconds": report.seconds}
    session.execute(statement, {"id": job.id, "status": status, "result": result, "error": report.damage})
