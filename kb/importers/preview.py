"""What an import would do, found out without writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy.orm import Session

from kb import curation, queries
from kb.importers.changes import ChangesFile
from kb.importers.clashes import ExpectedXrefs, edit_clashes
from kb.importers.reading import Classes
from kb.importers.report import EXAMPLES, ImportReport
from kb.records import PredicateRecord, TypeRecord


class Preview:
    """Gathers what the entities of a file name, and compares it with the knowledge base at the end."""

    def __init__(
        self, namespace: str, types: Sequence[TypeRecord] = (), predicates: Sequence[PredicateRecord] = ()
    ) -> None:
        self._namespace = namespace
        self._known_types = {item.id for item in types}
        self._known_predicates = {item.id for item in predicates}
        self._xrefs = ExpectedXrefs()
        self._ids: set[str] = set()
        self._types: set[str] = set()
        self._predicates: set[str] = set()
        self._objects: Counter[str] = Counter()
        self._examples: dict[str, tuple[str, str, str]] = {}

    def know(self, classes: Classes) -> None:
        """Note types and predicates that the file itself tells of."""
        self._known_types.update(item.id for item in classes.types)
        self._known_predicates.update(item.id for item in classes.predicates)

    def add(
        self, session: Session, staged: Sequence[tuple[int, curation.Staged]], changes: ChangesFile
    ) -> curation.Outcome:
        """Tell what writing these entities, given with their lines, would do."""
        for _, item in staged:
            self._ids.add(item.id)
            self._types.update(item.types)
            self._predicates.update(item.predicates)
            for edge in item.record.relations:
                self._objects[edge.object] += 1
                self._examples.setdefault(edge.object, (item.id, edge.predicate, edge.object))
        found = curation.compare_entities(session, self._namespace, [item for _, item in staged])
        clashes = [
            *edit_clashes(session, self._namespace, found),
            *self._xrefs.clashes(session, self._namespace, found, self._ids),
        ]
        changes.add(staged, found, curation.former(session, self._namespace, found), clashes)
        return found.outcome

    def finish(self, session: Session, report: ImportReport) -> None:
        """Report the types, predicates and objects that neither the files nor the knowledge base have."""
        types = self._types - self._known_types
        report.unknown_types = sorted(types - queries.read_types(session, self._namespace, list(types)).keys())
        predicates = self._predicates - self._known_predicates
        known = queries.read_predicates(session, self._namespace, list(predicates)).keys()
        report.unknown_predicates = sorted(predicates - known)
        objects = list(self._objects.keys() - self._ids)
        missing = sorted(set(objects) - queries.existing_ids(session, self._namespace, objects))
        report.pending_relations = sum(self._objects[name] for name in missing)
        report.pending_examples = [self._examples[name] for name in missing[:EXAMPLES]]
