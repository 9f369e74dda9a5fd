"""Entities are written, and no two of them may claim the same id elsewhere. Nothing here commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.orm import Session

from kb import curation, lookups
from kb.conflicts import XrefTaken
from kb.curation import Edit, Staged
from kb.records import EntityRecord


def put_all(
    session: Session,
    namespace: str,
    staged: Sequence[Staged],
    before: Mapping[str, EntityRecord],
    edit: Edit,
    shared: Collection[tuple[str, str]] = (),
) -> None:
    """Write entities whose former contents are known, and check their xrefs.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        staged: what to write.
        before: the former contents of all entities that the operation edits, those that it deletes among them.
        edit: who does it and why.
        shared: xrefs, as scheme and value, that may have several owners, as they had before.

    Raises:
        XrefTaken: another entity has one of their new xrefs.
    """
    curation.put_entities(session, namespace, staged, edit)
    records = {item.id: item.record for item in staged}
    # What goes from one of these entities to another is no new claim, whoever else makes it.
    claims = Counter(claim for record in before.values() for claim in record.xrefs.items())
    claims.subtract(claim for record in records.values() for claim in record.xrefs.items())
    added = {
        key: dict(c for c in _new_xrefs(before.get(key), record).items() if claims[c] < 0 and c not in shared)
        for key, record in records.items()
    }
    _refuse_taken(session, namespace, added)


def _refuse_taken(session: Session, namespace: str, added: Mapping[str, Mapping[str, str]]) -> None:
    """Check that no two entities claim the same id elsewhere, after they were written.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        added: the xrefs that each edited entity did not have before. What an import left there is no reason to refuse
            another edit.

    Raises:
        XrefTaken: for the first one that two claim.
    """
    claims = [(key, scheme, value) for key, xrefs in added.items() for scheme, value in xrefs.items()]
    for key, scheme, value, other in lookups.other_claims(session, namespace, claims):
        raise XrefTaken(key, other, scheme, value)


def _new_xrefs(before: EntityRecord | None, after: EntityRecord) -> dict[str, str]:
    """Return the xrefs that an edit adds."""
    known = {} if before is None else before.xrefs
    return {scheme: value for scheme, value in after.xrefs.items() if known.get(scheme) != value}
