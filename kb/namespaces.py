"""Knowledge bases that live in one database: made, listed, deleted with all that is in them. Nothing here commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

import kb.tables_corpus
import kb.tables_service  # noqa: F401 - their tables are emptied, too
from kb.conflicts import NamespaceExists, NamespaceInUse, NamespaceMissing
from kb.curation import ensure_namespace
from kb.editing import take_turn
from kb.tables import Base


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """A knowledge base.

    Attributes:
        name: names it.
        label: what people call it.
        entities: how many entities it has; deleted ones are not counted.
        kb_version: the number of its last change.
        created_at: when it was made.
    """

    name: str
    label: str | None
    entities: int
    kb_version: int
    created_at: datetime


_LIST = """
    SELECT n.name, n.label,
        (SELECT count(*) FROM entity e WHERE e.namespace = n.name AND e.deleted_at IS NULL) AS entities,
        (SELECT coalesce(max(version), 0) FROM change c WHERE c.namespace = n.name) AS kb_version, n.created_at
    FROM namespace n
"""


def list_namespaces(session: Session, only: str | None = None) -> list[NamespaceRecord]:
    """Return the knowledge bases, sorted by name; `only` the one of this name."""
    statement = text(f"{_LIST} WHERE CAST(:only AS text) IS NULL OR n.name = :only ORDER BY n.name")
    return [NamespaceRecord(*row) for row in session.execute(statement, {"only": only})]


def get_namespace(session: Session, name: str) -> NamespaceRecord:
    """Return a knowledge base.

    Raises:
        NamespaceMissing: there is none of this name.
    """
    found = list_namespaces(session, name)
    if not found:
        raise NamespaceMissing(name)
    return found[0]


def create_namespace(session: Session, name: str, label: str | None) -> NamespaceRecord:
    """Make an empty knowledge base.

    Raises:
        ValueError: the name cannot be used.
        NamespaceExists: there is one of this name.
    """
    if list_namespaces(session, name):
        raise NamespaceExists(name)
    ensure_namespace(session, name)
    session.execute(text("UPDATE namespace SET label = :label WHERE name = :name"), {"label": label, "name": name})
    return get_namespace(session, name)


def hold_namespace(session: Session, name: str) -> None:
    """Keep a knowledge base from being deleted until the transaction ends.

    Raises:
        NamespaceMissing: there is none of this name.
    """
    statement = text("SELECT 1 FROM namespace WHERE name = :name FOR KEY SHARE")
    if session.execute(statement, {"name": name}).one_or_none() is None:
        raise NamespaceMissing(name)


def delete_namespace(session: Session, name: str, *, force: bool) -> None:
    """Delete a knowledge base, with its history, its keys and its jobs.

    Args:
        session: whose caller commits.
        name: the knowledge base.
        force: delete it even if it has entities.

    Raises:
        NamespaceMissing: there is none of this name.
        NamespaceInUse: it has entities.
        Busy: edits of it took too long.
    """
    take_turn(session, name)
    found = get_namespace(session, name)
    if found.entities and not force:
        raise NamespaceInUse(name, found.entities)
    parameters: dict[str, Any] = {"name": name}
    session.execute(text("SELECT FROM namespace WHERE name = :name FOR UPDATE"), parameters)  # see `hold_namespace`
    # What refers to others goes before those.
    for table in reversed(Base.metadata.sorted_tables):
        if "namespace" in table.columns:
            session.execute(table.delete().where(table.columns["namespace"] == name))
    session.execute(text("DELETE FROM namespace WHERE name = :name"), parameters)
