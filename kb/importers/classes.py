"""Import of types and predicates. Their files are small: each is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy.orm import Session

from kb import curation, queries
from kb.importers.checks import PREDICATE_FIELDS, TYPE_FIELDS, Rejected, predicate_record, type_record
from kb.importers.context import ImportContext
from kb.importers.lines import LineReader
from kb.importers.reading import Classes
from kb.importers.report import Counts
from kb.records import PredicateRecord, TypeRecord


def import_types(context: ImportContext, path: Path) -> list[TypeRecord]:
    """Import a file of types and return those that could be used.

    A type whose parent is below it is rejected: nothing could tell what is broader.
    """
    options, counts = context.options, context.report.types
    with closing(LineReader(path)) as lines, Session(context.engine) as session, session.begin():
        parents = {item.id: item.parent for item in queries.stream_types(session, options.namespace)}
        records: list[TypeRecord] = []
        for number, raw, record in context.read(lines, counts, TYPE_FIELDS, type_record):
            if _is_below(record.parent, record.id, parents):
                reason = Rejected("parent", f"{record.parent} is below this type", "name a broader type, or no parent")
                context.reject(lines.name, counts, number, reason, raw)
                continue
            parents[record.id] = record.parent
            records.append(record)
        if options.dry_run:
            outcome = curation.compare_types(session, options.namespace, records)
        else:
            outcome = curation.put_types(session, options.namespace, records, context.edit)
            context.report.unknown_types.extend(outcome.types)
        _count(counts, outcome)
    return records


def import_predicates(context: ImportContext, path: Path) -> list[PredicateRecord]:
    """Import a file of predicates and return those that could be used."""
    options, counts = context.options, context.report.predicates
    with closing(LineReader(path)) as lines, Session(context.engine) as session, session.begin():
        records = [record for _, _, record in context.read(lines, counts, PREDICATE_FIELDS, predicate_record)]
        if options.dry_run:
            outcome = curation.compare_predicates(session, options.namespace, records)
        else:
            outcome = curation.put_predicates(session, options.namespace, records, context.edit)
        _count(counts, outcome)
    return records


def put_classes(context: ImportContext, session: Session, classes: Classes) -> None:
    """Write what a file of entities tells of types and predicates; of a type that is below its parent, the parent goes.

    Entities before may have made them, with their id as label.
    """
    report, namespace = context.report, context.options.namespace
    if classes.types:
        parents = {item.id: item.parent for item in queries.stream_types(session, namespace)}
        records = acyclic(classes.types, parents)
        outcome = curation.put_types(session, namespace, records, context.edit)
        known = {item.id for item in records}
        report.unknown_types = [key for key in [*report.unknown_types, *outcome.types] if key not in known]
        report.types.read += len(records)
        _count(report.types, outcome)
    if classes.predicates:
        outcome = curation.put_predicates(session, namespace, classes.predicates, context.edit)
        known = {item.id for item in classes.predicates}
        report.unknown_predicates = [key for key in report.unknown_predicates if key not in known]
        report.predicates.read += len(classes.predicates)
        _count(report.predicates, outcome)


def acyclic(records: Iterable[TypeRecord], parents: dict[str, str | None]) -> list[TypeRecord]:
    """Return types; those whose parent is below them come without parent.

    Args:
        records: the types.
        parents: the parents of all that are there already; the records' are added.
    """
    kept = []
    for record in records:
        whole = not _is_below(record.parent, record.id, parents)
        kept.append(record if whole else TypeRecord(record.id, record.label))
        parents[record.id] = kept[-1].parent
    return kept


def _is_below(name: str | None, top: str, parents: Mapping[str, str | None]) -> bool:
    """Tell whether the type `name` is `top` or has it among its ancestors."""
    while name is not None:
        if name == top:
            return True
        name = parents.get(name)
    return False


def _count(counts: Counts, outcome: curation.Outcome) -> None:
    counts.added += outcome.added
    counts.changed += outcome.changed
    counts.unchanged += outcome.unchanged
