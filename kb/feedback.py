"""Feedback: what people say that a mention should have been, and what becomes of it.

Texts are stored as they were sent, so that they can teach; `prune` takes those away that are old. Nothing here commits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Literal

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from kb import editing, lookups, queries
from kb.conflicts import AlreadyDecided, EntityMissing, FeedbackMissing
from kb.curation import Edit

Verdict = Literal["entity", "nil", "no_mention"]
Status = Literal["open", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class NewFeedback:
    """What somebody says about a mention.

    Attributes:
        text: the whole text.
        start: code point at which the mention starts.
        end: where it ends, exclusive.
        verdict: what it should have been: an entity, NIL, or no mention at all.
        entity_id: that entity.
        answered: what the service answered, as far as the sender tells.
        model_version: of that answer.
        kb_version: of that answer.
        comment: why.
    """

    text: str
    start: int
    end: int
    verdict: Verdict
    entity_id: str | None
    answered: dict[str, Any] | None
    model_version: str
    kb_version: int
    comment: str | None = None

    def digest(self, actor: str) -> bytes:
        """Return what is the same for the same feedback by the same actor."""
        parts = [actor, self.text, self.start, self.end, self.verdict, self.entity_id]
        return hashlib.blake2b(orjson.dumps(parts), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """Feedback as it is stored, with what was decided about it."""

    id: int
    text: str
    start: int
    end: int
    verdict: Verdict
    entity_id: str | None
    answered: dict[str, Any] | None
    model_version: str
    kb_version: int
    status: Status
    actor: str
    comment: str | None
    created_at: datetime
    decided_by: str | None
    decision_comment: str | None
    decided_at: datetime | None

    @property
    def surface(self) -> str:
        """The mention's own words."""
        return self.text[self.start : self.end]


_COLUMNS = (
    "id, text, start_offset, end_offset, verdict, entity_id, answered, model_version, kb_version, status, actor,"
    " comment, created_at, decided_by, decision_comment, decided_at"
)


def store(session: Session, namespace: str, new: NewFeedback, actor: str) -> tuple[FeedbackRecord, bool]:
    """Store feedback and say whether it is new: the same by the same actor is stored once.

    Raises:
        EntityMissing: the entity that it names is not there.
    """
    if new.entity_id is not None:
        state = lookups.entity_state(session, namespace, new.entity_id)
        if state is None or state.deleted:
            raise EntityMissing(new.entity_id, None if state is None else state.version)
    statement = text(
        "INSERT INTO feedback (namespace, digest, text, start_offset, end_offset, verdict, entity_id, answered,"
        " model_version, kb_version, actor, comment) VALUES (:namespace, :digest, :text, :start, :end, :verdict,"
        " :entity_id, CAST(:answered AS jsonb), :model_version, :kb_version, :actor, :comment)"
        f" ON CONFLICT (namespace, digest) DO NOTHING RETURNING {_COLUMNS}"
    )
    digest = new.digest(actor)
    values = {name: getattr(new, name) for name in NewFeedback.__slots__}
    values["answered"] = None if new.answered is None else orjson.dumps(new.answered).decode()
    row = session.execute(statement, values | {"namespace": namespace, "digest": digest, "actor": actor}).one_or_none()
    if row is not None:
        return _record(row), True
    known = text(f"SELECT {_COLUMNS} FROM feedback WHERE namespace = :namespace AND digest = :digest")
    return _record(session.execute(known, {"namespace": namespace, "digest": digest}).one()), False


def list_feedback(
    session: Session, namespace: str, status: Status | None = None, before_id: int | None = None, limit: int = 20
) -> list[FeedbackRecord]:
    """Return feedback, the newest first; `before_id` goes on after that one."""
    statement = text(
        f"SELECT {_COLUMNS} FROM feedback WHERE namespace = :namespace"
        " AND (CAST(:status AS text) IS NULL OR status = :status)"
        " AND (CAST(:before AS bigint) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit"
    )
    values = {"namespace": namespace, "status": status, "before": before_id, "limit": limit}
    return [_record(row) for row in session.execute(statement, values)]


def get_feedback(session: Session, namespace: str, feedback_id: int, *, lock: bool = False) -> FeedbackRecord:
    """Return one; with `lock`, nobody else decides about it before the transaction ends.

    Raises:
        FeedbackMissing: there is none.
    """
    statement = text(
        f"SELECT {_COLUMNS} FROM feedback WHERE namespace = :namespace AND id = :id {'FOR UPDATE' if lock else ''}"
    )
    row = session.execute(statement, {"namespace": namespace, "id": feedback_id}).one_or_none()
    if row is None:
        raise FeedbackMissing(feedback_id)
    return _record(row)


def accept(session: Session, namespace: str, feedback_id: int, actor: str, comment: str | None) -> FeedbackRecord:
    """Accept feedback: where it names an entity, the mention's words count as its alias once more.

    That is an edit of the entity like any other, whose revision names the feedback. NIL and "no mention" change
    nothing in the knowledge base; they teach.

    Raises:
        FeedbackMissing, AlreadyDecided, EntityMissing, Busy: as the names say.
        Rejected: the mention's words cannot be an alias.
    """
    editing.take_turn(session, namespace)
    found = _undecided(session, namespace, feedback_id)
    if found.entity_id is not None:
        why = f"feedback {found.id} by {found.actor}" + (f": {comment}" if comment else "")
        count_alias(session, namespace, found.entity_id, found.surface, Edit("feedback", actor, why))
    return _decide(session, namespace, found, "accepted", actor, comment)


def reject(session: Session, namespace: str, feedback_id: int, actor: str, comment: str | None) -> FeedbackRecord:
    """Reject feedback: it changes nothing and teaches nothing.

    Raises:
        FeedbackMissing, AlreadyDecided: as the names say.
    """
    found = _undecided(session, namespace, feedback_id)
    session.execute(text("DELETE FROM nil_mention WHERE feedback_id = :id"), {"id": feedback_id})
    return _decide(session, namespace, found, "rejected", actor, comment)


def count_alias(session: Session, namespace: str, entity_id: str, name: str, edit: Edit) -> int:
    """Count that a name meant an entity once more, as an edit, and return the entity's version.

    Raises:
        EntityMissing, Rejected, Busy: as `kb.editing` says.
    """
    editing.take_turn(session, namespace)
    records = queries.read_entities(session, namespace, [entity_id])
    if not records:
        state = lookups.entity_state(session, namespace, entity_id)
        raise EntityMissing(entity_id, None if state is None else state.version)
    counts = {alias.text: (alias.count, alias.language) for alias in records[0].aliases}
    count, language = counts.get(name, (0, None))
    counts[name] = (count + 1, language)
    aliases = [{"text": key, "count": number, "language": code} for key, (number, code) in counts.items()]
    return editing.patch_entity(session, namespace, entity_id, {"aliases": aliases}, None, edit)


def delete_feedback(session: Session, namespace: str, feedback_id: int) -> None:
    """Delete feedback with its text, also from the examples of proposals. What it changed in the KB stays.

    Raises:
        FeedbackMissing: there is none.
    """
    statement = text("DELETE FROM feedback WHERE namespace = :namespace AND id = :id RETURNING id")
    if session.execute(statement, {"namespace": namespace, "id": feedback_id}).one_or_none() is None:
        raise FeedbackMissing(feedback_id)
    _drop_empty_proposals(session, namespace)


def prune(session: Session, namespace: str, age: timedelta) -> int:
    """Delete feedback and NIL mentions that are older than `age`, and return how many texts went."""
    values = {"namespace": namespace, "age": age}
    gone = 0
    for table in ("feedback", "nil_mention"):
        condition = "namespace = :namespace AND created_at < now() - CAST(:age AS interval)"
        statement = text(f"WITH gone AS (DELETE FROM {table} WHERE {condition} RETURNING 1) SELECT count(*) FROM gone")
        gone += session.execute(statement, values).scalar_one()
    if gone:
        _drop_empty_proposals(session, namespace)
    return gone


def training_documents(session: Session, namespace: str) -> Generator[dict[str, Any]]:
    """Yield accepted feedback as labelled documents, one for each text.

    Of several verdicts on one span the last one counts, and of spans that overlap the one that was accepted last. Their
    kind is that of links, `anchor`: not every name of the text is labelled, and acceptance counted each as an alias.
    """
    statement = text(
        f"SELECT {_COLUMNS} FROM feedback WHERE namespace = :namespace AND status = 'accepted'"
        " ORDER BY md5(text), text, decided_at DESC, id DESC"
    )
    rows = session.execute(statement, {"namespace": namespace}, execution_options={"yield_per": 500})
    for body, group in groupby(map(_record, rows), key=lambda record: record.text):
        kept: list[FeedbackRecord] = []
        for record in group:
            if all(record.end <= other.start or other.end <= record.start for other in kept):
                kept.append(record)
        kept.sort(key=lambda record: record.start)
        mentions = [
            {"start": record.start, "end": record.end, "entity": record.entity_id, "kind": "anchor"}
            for record in kept
            if record.verdict != "no_mention"
        ]
        first = min(record.id for record in kept)
        yield {"id": f"feedback/{first}#0", "source": "feedback", "text": body, "mentions": mentions}


def _undecided(session: Session, namespace: str, feedback_id: int) -> FeedbackRecord:
    found = get_feedback(session, namespace, feedback_id, lock=True)
    if found.status != "open":
        raise AlreadyDecided(f"feedback {found.id}", found.status, found.decided_by)
    return found


def _decide(
    session: Session, namespace: str, found: FeedbackRecord, status: Status, actor: str, comment: str | None
) -> FeedbackRecord:
    statement = text(
        "UPDATE feedback SET status = :status, decided_by = :actor, decision_comment = :comment, decided_at = now()"
        f" WHERE namespace = :namespace AND id = :id RETURNING {_COLUMNS}"
    )
    values = {"namespace": namespace, "id": found.id, "status": status, "actor": actor, "comment": comment}
    return _record(session.execute(statement, values).one())


def _drop_empty_proposals(session: Session, namespace: str) -> None:
    statement = text(
        "DELETE FROM proposal p WHERE p.namespace = :namespace AND p.kind = 'entity' AND p.status = 'open'"
        " AND NOT EXISTS (SELECT 1 FROM nil_mention m WHERE m.proposal_id = p.id)"
    )
    session.execute(statement, {"namespace": namespace})


def _record(row: Row[Any]) -> FeedbackRecord:
    return FeedbackRecord(*tuple(row))
