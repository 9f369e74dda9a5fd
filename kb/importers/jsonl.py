"""Import of JSON Lines files of entities, types and predicates.

While one batch is written, the next one is read: of a large file by another process (`kb.importers.apart`), of a small
one by a thread. Each batch is one transaction, which also notes how far the import came.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from kb import curation, queries
from kb.importers import progress as jobs
from kb.importers.apart import open_batches
from kb.importers.changes import ChangesFile
from kb.importers.clashes import edit_clashes, xref_clashes
from kb.importers.classes import import_predicates, import_types, put_classes
from kb.importers.context import ImportContext, ImportOptions
from kb.importers.lines import STDIN, fingerprint, shown_name, total_bytes
from kb.importers.preview import Preview
from kb.importers.reading import Batch, rare_garbage_collection
from kb.importers.redirects import restore_redirects
from kb.importers.report import EXAMPLES, Counts, ImportReport, Progress, ProgressCallback, RejectsFile

MANY = 1000

__all__ = ["ImportOptions", "import_jsonl"]


def import_jsonl(
    engine: Engine,
    entities: Path | None = None,
    *,
    types: Path | None = None,
    predicates: Path | None = None,
    options: ImportOptions | None = None,
    progress: ProgressCallback | None = None,
) -> ImportReport:
    """Import files in the format that docs/kb-formats.md describes; the path `-` is standard input.

    Lines that cannot be used are written to a file of rejects, and the others are imported. An import that was cut off
    goes on after the last line that it committed when the same file is imported again.

    Raises:
        ImportFailed: another process imports the file, or the rejects or the report cannot be written.
        OSError: a file cannot be opened.
    """
    options = options or ImportOptions()
    report = ImportReport(dry_run=options.dry_run)
    rejects = RejectsFile(_rejects_path(entities or types or predicates, options), report)
    changes = ChangesFile(options.report, report)
    context = ImportContext(engine, options, report, rejects, changes, progress or (lambda _: None))
    with closing(rejects), closing(changes), rare_garbage_collection():
        known_types = [] if types is None else import_types(context, types)
        known_predicates = [] if predicates is None else import_predicates(context, predicates)
        if entities is not None and options.dry_run:
            _preview(context, entities, Preview(options.namespace, known_types, known_predicates))
        elif entities is not None:
            _import_entities(context, entities)
    report.seconds = context.seconds
    return report


def _import_entities(context: ImportContext, path: Path) -> None:
    options, report = context.options, context.report
    mark = fingerprint(path)
    key = None if mark is None else f"{mark}-{options.source or ''}{options.reading.mark}"
    with jobs.exclusive(context.engine, options.namespace, key), closing(_batches(context, path)) as batches:
        with Session(context.engine) as session, session.begin():
            curation.ensure_namespace(session, options.namespace)
            if options.source is not None:
                curation.put_source(session, options.namespace, options.source, licence=options.licence)
            parameters = {"file": shown_name(path), "source": options.source}
            job = jobs.begin(session, options.namespace, key, parameters, restart=options.restart)
        report.resumed_at = job.line
        report.entities = job.counts
        context.changes.begin(job.line)
        looked_at = 0
        for batch in batches:
            if batch.line > job.line or any(batch.classes):
                _write(context, batch, job)
            if report.entities.added >= max(MANY, 4 * looked_at):
                # Else Postgres would look for each batch as if the tables were still empty.
                looked_at = report.entities.added
                with Session(context.engine) as session, session.begin():
                    curation.refresh_entity_statistics(session)
        _finish(context, job)


def _write(context: ImportContext, batch: Batch, job: jobs.ImportJob) -> None:
    """Write a batch in one transaction; what the finished import commits makes the batches before it safe."""
    namespace, report = context.options.namespace, context.report
    # The same file may be cut into other batches than when it was interrupted.
    staged = [(line, item) for line, item in batch.staged if line > job.line]
    with Session(context.engine) as session, session.begin():
        curation.prepare_bulk(session)
        curation.lock(session, namespace)
        found = curation.compare_entities(session, namespace, [item for _, item in staged])
        before = curation.former(session, namespace, found)
        overwritten = edit_clashes(session, namespace, found)
        put_classes(context, session, batch.classes)
        outcome = curation.write_entities(session, namespace, found, before, context.edit)
        restore_redirects(
            session, namespace, {f: key for line, f, key in batch.redirects if line > job.line}, context.edit
        )
        clashes = [*overwritten, *xref_clashes(session, namespace, found.written)]
        context.changes.add(staged, found, before, clashes)
        _count(report, outcome)
        jobs.save(session, job, max(batch.line, job.line), report.entities)
    report.unknown_types.extend(outcome.types)
    report.unknown_predicates.extend(outcome.predicates)


def _finish(context: ImportContext, job: jobs.ImportJob) -> None:
    report = context.report
    if report.entities.added + report.entities.changed >= MANY:
        with Session(context.engine) as session, session.begin():
            curation.refresh_statistics(session)
    with Session(context.engine) as session, session.begin():
        pending = queries.pending_relations(session, context.options.namespace, EXAMPLES)
        report.pending_relations, report.pending_examples = pending
        report.seconds = context.seconds
        jobs.finish(session, job, report)


def _preview(context: ImportContext, path: Path, preview: Preview) -> None:
    """Go through a file of entities without writing."""
    context.changes.begin(0)
    with Session(context.engine) as session, closing(_batches(context, path)) as batches:
        for batch in batches:
            preview.know(batch.classes)
            _count(context.report, preview.add(session, batch.staged, context.changes))
        preview.finish(session, context.report)


def _batches(context: ImportContext, path: Path) -> Generator[Batch, None, None]:
    """Yield the batches of a file; count and write down what was met on the way, and tell of the progress after each.

    `read` and `rejected` are counted from the start of the file, also where an import goes on in the midst of it.
    """
    options, report, name, size = context.options, context.report, shown_name(path), total_bytes(path)
    counted = Counts()
    with open_batches(path, replace(options.reading, source=options.source), options.batch) as batches:
        for batch in _read_ahead(batches):
            counted.read += batch.read
            for number, reason, raw in batch.rejected:
                context.reject(name, counted, number, reason, raw)
            report.entities.read, report.entities.rejected = counted.read, counted.rejected
            report.unknown_fields.update(batch.unknown_fields)
            context.note_damage(batch.damage)
            yield batch
            context.progress(Progress(batch.done_bytes, size, counted.read))


def _read_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches while the next one is being read."""
    with ThreadPoolExecutor(1, thread_name_prefix="import") as pool:
        future = pool.submit(next, batches, None)
        while (batch := future.result()) is not None:
            future = pool.submit(next, batches, None)
            yield batch


def _count(report: ImportReport, outcome: curation.Outcome) -> None:
    report.entities.added += outcome.added
    report.entities.changed += outcome.changed
    report.entities.unchanged += outcome.unchanged


def _rejects_path(first: Path | None, options: ImportOptions) -> Path | None:
    if options.rejects is not None or first is None or options.dry_run:
        return options.rejects
    return Path("stdin.rejects.jsonl") if first == STDIN else first.with_name(f"{first.name}.rejects.jsonl")
