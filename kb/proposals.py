"""New entities that are proposed: mentions that nothing in the knowledge base answers, gathered by name and meaning.

A mention joins the proposal whose mentions have a related name and stand in the most similar contexts, or begins one.
It is placed once, when it comes, by the vectors of contexts that others computed. Nothing here commits.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import editing
from kb.conflicts import AlreadyDecided, ProposalMissing
from kb.curation import Edit
from kb.namespaces import hold_namespace
from kb.normalise import normalise

Vector = npt.NDArray[np.floating[Any]]
Status = Literal["open", "accepted", "rejected", "withdrawn"]

CONTEXT = 200  # code points on either side of a mention
STAND_IN = "they"
MOST_COMPARED = 500  # the newest mentions with a related name
EXAMPLES = 5
_LOCK_SEED = 0x6E69  # any number; keeps this lock apart from others that hash the same name


@dataclass(frozen=True, slots=True)
class NilMention:
    """A mention whose entity is not in the knowledge base.

    Attributes:
        context: what stands around it, cut from its text.
        start: code point of the context at which the mention starts.
        end: where it ends, exclusive.
    """

    context: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """The mention's own words."""
        return self.context[self.start : self.end]

    @property
    def around(self) -> str:
        """The context without the name, which says what kind of thing is meant rather than what it is called."""
        return self.context.replace(self.name, STAND_IN)

    @property
    def digest(self) -> bytes:
        """What is the same for the same mention in the same context."""
        return hashlib.blake2b(orjson.dumps([self.context, self.start, self.end]), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Example:
    """One mention of a proposal."""

    context: str
    start: int
    end: int
    feedback_id: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """A proposed entity: how often it was mentioned, by which names (the most frequent first), and some examples."""

    id: int
    mentions: int
    names: tuple[tuple[str, int], ...]
    examples: tuple[Example, ...]
    status: Status
    entity_id: str | None
    created_at: datetime
    decided_by: str | None
    decision_comment: str | None
    decided_at: datetime | None


def cut(body: str, start: int, end: int) -> NilMention:
    """Return a mention of a text with what stands around it."""
    first = max(0, start - CONTEXT)
    return NilMention(body[first : end + CONTEXT], start - first, end - first)


def add_mentions(
    session: Session,
    namespace: str,
    mentions: Sequence[NilMention],
    vectors: Vector,
    encoder_version: str,
    least_cosine: float,
    feedback_id: int | None = None,
) -> int:
    """Store mentions, each with the proposal that it belongs to, and return how many were new.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        mentions: the mentions; one that is there already is left out.
        vectors: unit vectors of what is `around` them (mentions x 384).
        encoder_version: what made the vectors; those of others are not compared with them.
        least_cosine: mean cosine with a proposal's mentions from which on a mention belongs to it.
        feedback_id: the feedback that says so; None for answers of the service.

    Raises:
        NamespaceMissing: there is no such knowledge base.
    """
    hold_namespace(session, namespace)
    statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:namespace, :seed))")
    session.execute(statement, {"namespace": namespace, "seed": _LOCK_SEED})
    return sum(
        _add(session, namespace, mention, vector, (encoder_version, least_cosine, feedback_id))
        for mention, vector in zip(mentions, vectors, strict=True)
    )


def _add(
    session: Session, namespace: str, mention: NilMention, vector: Vector, how: tuple[str, float, int | None]
) -> bool:
    encoder_version, least_cosine, feedback_id = how
    known = text("SELECT 1 FROM nil_mention WHERE namespace = :namespace AND digest = :digest")
    if session.execute(known, {"namespace": namespace, "digest": mention.digest}).one_or_none() is not None:
        return False
    name = normalise(mention.name)
    proposal_id = _nearest(session, namespace, name, vector, encoder_version, least_cosine)
    if proposal_id is None:
        made = text(
            "INSERT INTO proposal (namespace, kind, payload) VALUES (:namespace, 'entity', CAST('{}' AS jsonb))"
            " RETURNING id"
        )
        proposal_id = session.execute(made, {"namespace": namespace}).scalar_one()
    statement = text(
        "INSERT INTO nil_mention (namespace, digest, name, normalised, context, start_offset, end_offset, vector,"
        " encoder_version, proposal_id, feedback_id) VALUES (:namespace, :digest, :name, :normalised, :context, :start,"
        " :end, :vector, :encoder_version, :proposal_id, :feedback_id)"
    )
    values: dict[str, Any] = {
        "namespace": namespace,
        "digest": mention.digest,
        "name": mention.name,
        "normalised": name,
    }
    values |= {"context": mention.context, "start": mention.start, "end": mention.end}
    values |= {"vector": vector.astype("<f2").tobytes(), "encoder_version": encoder_version}
    session.execute(statement, values | {"proposal_id": proposal_id, "feedback_id": feedback_id})
    return True


def _nearest(
    session: Session, namespace: str, name: str, vector: Vector, encoder_version: str, least_cosine: float
) -> int | None:
    """Return the proposal that a mention belongs to, if there is one. Names are related if one has all words of the
    other, in a row.
    """
    statement = text(
        "SELECT proposal_id, vector FROM nil_mention WHERE namespace = :namespace AND encoder_version = :version"
        " AND (position(' ' || :name || ' ' IN ' ' || normalised || ' ') > 0"
        " OR position(' ' || normalised || ' ' IN ' ' || :name || ' ') > 0) ORDER BY id DESC LIMIT :most"
    )
    values = {"namespace": namespace, "version": encoder_version, "name": name, "most": MOST_COMPARED}
    cosines: defaultdict[int, list[float]] = defaultdict(list)
    for proposal_id, stored in session.execute(statement, values):
        cosines[proposal_id].append(float(np.frombuffer(stored, "<f2").astype(np.float32) @ vector))
    means = {proposal_id: sum(found) / len(found) for proposal_id, found in cosines.items()}
    best = max(means, key=lambda key: (means[key], -key), default=None)
    return best if best is not None and means[best] >= least_cosine else None


_PROPOSALS = """
    SELECT p.id, m.mentions, p.status, p.entity_id, p.created_at, p.decided_by, p.decision_comment, p.decided_at
    FROM proposal p JOIN (SELECT proposal_id, count(*) AS mentions FROM nil_mention WHERE namespace = :namespace
        GROUP BY proposal_id) m ON m.proposal_id = p.id
    WHERE p.namespace = :namespace AND p.kind = 'entity'
"""
_LIST = text(f"""
    {_PROPOSALS} AND p.status = :status AND m.mentions >= :least
    AND (m.mentions, p.id) < (:mentions, :id) ORDER BY m.mentions DESC, p.id DESC LIMIT :limit
""")
_ONE = text(f"{_PROPOSALS} AND p.id = :id")
_NAMES = text("""
    SELECT proposal_id, name, count(*) FROM nil_mention WHERE proposal_id = ANY(:ids)
    GROUP BY proposal_id, name ORDER BY count(*) DESC, name
""")
_EXAMPLES = text("""
    SELECT proposal_id, context, start_offset, end_offset, feedback_id, created_at FROM (
        SELECT m.*, row_number() OVER (PARTITION BY proposal_id ORDER BY id DESC) AS place
        FROM nil_mention m WHERE proposal_id = ANY(:ids)) x
    WHERE place <= :most ORDER BY id DESC
""")
BEGINNING = (2**31 - 1, 2**62)


def list_proposals(
    session: Session,
    namespace: str,
    status: Status = "open",
    least: int = 1,
    after: tuple[int, int] = BEGINNING,
    limit: int = 20,
) -> list[ProposalRecord]:
    """Return proposals with at least so many mentions, the most frequent first.

    Args:
        session: reads the namespace.
        namespace: the knowledge base.
        status: which ones.
        least: how many mentions they must have.
        after: mentions and id of the last one of the page before.
        limit: how many at most.
    """
    values = {"namespace": namespace, "status": status, "least": least, "limit": limit}
    return _assembled(session, session.execute(_LIST, values | {"mentions": after[0], "id": after[1]}).all())


def get_proposal(session: Session, namespace: str, proposal_id: int) -> ProposalRecord:
    """Return one proposal.

    Raises:
        ProposalMissing: there is none.
    """
    found = _assembled(session, session.execute(_ONE, {"namespace": namespace, "id": proposal_id}).all())
    if not found:
        raise ProposalMissing(proposal_id)
    return found[0]


def accept(
    session: Session, namespace: str, proposal_id: int, fields: dict[str, Any], actor: str, comment: str | None
) -> str:
    """Create the proposed entity and return its id. Its names are those of the mentions, with how often they occurred.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        proposal_id: the proposal.
        fields: the entity as files hold it, with an `id`; the label is the most frequent name where there is none.
        actor: who does it.
        comment: why.

    Raises:
        ProposalMissing, AlreadyDecided, Rejected, IdTaken, XrefTaken, Busy: as the names say.
    """
    editing.take_turn(session, namespace)
    found = _undecided(session, namespace, proposal_id)
    names = dict(found.names)
    for alias in fields.get("aliases", ()):
        names[alias["text"]] = max(alias.get("count", 0), names.get(alias["text"], 0))
    aliases = [{"text": name, "count": count} for name, count in names.items()]
    entity = {"label": found.names[0][0]} | fields | {"aliases": aliases}
    why = f"proposal {proposal_id}" + (f": {comment}" if comment else "")
    editing.create_entity(session, namespace, entity, Edit("proposal", actor, why))
    _decide(session, namespace, proposal_id, ("accepted", entity["id"]), actor, comment)
    return str(entity["id"])


def reject(session: Session, namespace: str, proposal_id: int, actor: str, comment: str | None) -> ProposalRecord:
    """Reject a proposal. It stays, so that further mentions of the same do not propose it again.

    Raises:
        ProposalMissing, AlreadyDecided: as the names say.
    """
    _undecided(session, namespace, proposal_id)
    _decide(session, namespace, proposal_id, ("rejected", None), actor, comment)
    return get_proposal(session, namespace, proposal_id)


def delete_proposal(session: Session, namespace: str, proposal_id: int) -> None:
    """Delete a proposal with the texts of its mentions. An entity that it became stays.

    Raises:
        ProposalMissing: there is none.
    """
    statement = text("DELETE FROM proposal WHERE namespace = :namespace AND id = :id AND kind = 'entity' RETURNING id")
    if session.execute(statement, {"namespace": namespace, "id": proposal_id}).one_or_none() is None:
        raise ProposalMissing(proposal_id)


def _assembled(session: Session, rows: Sequence[Any]) -> list[ProposalRecord]:
    ids = [row.id for row in rows]
    names: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for proposal_id, name, count in session.execute(_NAMES, {"ids": ids}):
        names[proposal_id].append((name, count))
    examples: defaultdict[int, list[Example]] = defaultdict(list)
    for proposal_id, *values in session.execute(_EXAMPLES, {"ids": ids, "most": EXAMPLES}):
        examples[proposal_id].append(Example(*values))
    return [
        ProposalRecord(row.id, row.mentions, tuple(names[row.id]), tuple(examples[row.id]), *row[2:]) for row in rows
    ]


def _undecided(session: Session, namespace: str, proposal_id: int) -> ProposalRecord:
    statement = text("SELECT 1 FROM proposal WHERE namespace = :namespace AND id = :id FOR UPDATE")
    session.execute(statement, {"namespace": namespace, "id": proposal_id})
    found = get_proposal(session, namespace, proposal_id)
    if found.status != "open":
        raise AlreadyDecided(f"proposal {proposal_id}", found.status, found.decided_by)
    return found


def _decide(
    session: Session, namespace: str, proposal_id: int, what: tuple[Status, str | None], actor: str, comment: str | None
) -> None:
    statement = text(
        "UPDATE proposal SET status = :status, entity_id = :entity_id, decided_by = :actor,"
        " decision_comment = :comment, decided_at = now() WHERE namespace = :namespace AND id = :id"
    )
    values = {"namespace": namespace, "id": proposal_id, "status": what[0], "entity_id": what[1]}
    session.execute(statement, values | {"actor": actor, "comment": comment})
