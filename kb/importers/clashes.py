"""Conflicts of an import with what is there: told, and imported all the same.

Whoever imports a file wants it in the knowledge base, and can take the import of an entity back. What nobody would
notice by themselves is that a curator's work was overwritten, or that one thing is there twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.orm import Session

from kb import history, lookups
from kb.curation import Comparison
from kb.history import RevisionBrief
from kb.staging import PARTS, Staged

IMPORT = "import"
"""Kind of the revisions that imports make."""

Claims = dict[tuple[str, str], list[str]]


@dataclass(frozen=True, slots=True)
class XrefClash:
    """Another entity has the same id in another collection: the two may be one."""

    entity: str
    scheme: str
    value: str
    other: str

    def __str__(self) -> str:
        """Name both."""
        return f"{self.entity} and {self.other} are both {self.value} in {self.scheme}"

    def json(self) -> dict[str, Any]:
        """Return the object that the report holds."""
        return {"kind": "xref", "scheme": self.scheme, "value": self.value, "other": self.other}


@dataclass(frozen=True, slots=True)
class EditClash:
    """The import brings a deleted entity back, or overwrites what was edited since the last import."""

    entity: str
    deleted: bool
    revision: RevisionBrief

    def __str__(self) -> str:
        """Say what was done before, and by whom."""
        done = "deleted" if self.deleted else "edited"
        return f"{self.entity} was {done} by {self.revision.actor or 'somebody'} (revision {self.revision.id})"

    def json(self) -> dict[str, Any]:
        """Return the object that the report holds."""
        last = self.revision
        kind = "deleted" if self.deleted else "edited"
        return {"kind": kind, "revision": last.id, "actor": last.actor, "comment": last.comment}


Clash = XrefClash | EditClash


def edit_clashes(session: Session, namespace: str, found: Comparison) -> list[Clash]:
    """Return whose edits a batch overwrites; asked before it is written."""
    deleted = {item.id for item in found.deleted}
    ids = [item.id for item in found.deleted + found.changed]
    if not ids:
        return []
    last = history.last_revisions(session, namespace, ids)
    return [
        EditClash(key, key in deleted, revision)
        for key, revision in last.items()
        if key in deleted or revision.kind != IMPORT
    ]


def xref_clashes(session: Session, namespace: str, written: Iterable[Staged]) -> list[XrefClash]:
    """Return the ids elsewhere that entities share with others; asked after they were written."""
    claims = [(item.id, scheme, value) for item in written for scheme, value in xrefs_of(item).items()]
    return [XrefClash(*clash) for clash in lookups.other_claims(session, namespace, claims)]


class ExpectedXrefs:
    """The ids elsewhere that a dry run would have written so far, in the place of those in the knowledge base."""

    def __init__(self) -> None:
        self._claims: Claims = defaultdict(list)

    def clashes(self, session: Session, namespace: str, found: Comparison, seen: set[str]) -> list[XrefClash]:
        """Return what `xref_clashes` would after this batch; `seen` are the file's entities up to its end."""
        for item in found.written + found.unchanged:
            for claim in xrefs_of(item).items():
                self._claims[claim].append(item.id)
        stored = [clash for clash in xref_clashes(session, namespace, found.written) if clash.other not in seen]
        ours = [
            XrefClash(item.id, scheme, value, other)
            for item in found.written
            for scheme, value in xrefs_of(item).items()
            for other in self._claims[scheme, value]
            if other != item.id
        ]
        return sorted([*stored, *ours], key=lambda clash: (clash.entity, clash.scheme, clash.other))


def by_entity(clashes: Iterable[Clash]) -> Mapping[str, list[Clash]]:
    """Return clashes by the id of the entity that was to be imported."""
    found: defaultdict[str, list[Clash]] = defaultdict(list)
    for clash in clashes:
        found[clash.entity].append(clash)
    return found


def xrefs_of(item: Staged) -> dict[str, str]:
    """Return the xrefs of a staged entity."""
    xrefs: dict[str, str] = orjson.loads(item.line)["xrefs"] if item.parts[XREFS] else {}
    return xrefs


XREFS = next(number for number, part in enumerate(PARTS) if part.table == "xref")
