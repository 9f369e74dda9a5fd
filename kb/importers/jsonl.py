"""Import of JSON Lines files of entities, types and predicates.

One thread reads entities and brings them into stored form while another writes the batch before, so that this process
and the server work at the same time. Each batch is one transaction, which also notes how far the import came.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from kb import curation, queries
from kb.importers import progress as jobs
from kb.importers.checks import ENTITY_FIELDS, entity_record
from kb.importers.classes import import_predicates, import_types
from kb.importers.context import ImportContext, ImportOptions
from kb.importers.lines import STDIN, LineReader, fingerprint
from kb.importers.preview import Preview
from kb.importers.report import EXAMPLES, Counts, ImportReport, Progress, ProgressCallback, RejectsFile

BATCH_BYTES = 1 << 25
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
        ImportFailed: another process imports the file, or the rejects cannot be written.
        OSError: a file cannot be opened.
    """
    options = options or ImportOptions()
    report = ImportReport(dry_run=options.dry_run)
    rejects = RejectsFile(_rejects_path(entities or types or predicates, options), report)
    context = ImportContext(engine, options, report, rejects, progress or (lambda _: None))
    with closing(rejects), _rare_garbage_collection():
        known_types = [] if types is None else import_types(context, types)
        known_predicates = [] if predicates is None else import_predicates(context, predicates)
        if entities is not None and options.dry_run:
            _preview(context, entities, Preview(options.namespace, known_types, known_predicates))
        elif entities is not None:
            _import_entities(context, entities)
    report.seconds = context.seconds
    return report


@dataclass(slots=True)
class _Batch:
    """Entities with their line numbers, the last line that was looked at, and the counts of the file up to there."""

    staged: list[tuple[int, curation.Staged]] = field(default_factory=list)
    line: int = 0
    counts: Counts = field(default_factory=Counts)
    done_bytes: int = 0


def _import_entities(context: ImportContext, path: Path) -> None:
    options, report = context.options, context.report
    mark = fingerprint(path)
    key = None if mark is None else f"{mark}-{options.source or ''}"
    with jobs.exclusive(context.engine, options.namespace, key), closing(LineReader(path)) as lines:
        with Session(context.engine) as session, session.begin():
            curation.ensure_namespace(session, options.namespace)
            if options.source is not None:
                curation.put_source(session, options.namespace, options.source, licence=options.licence)
            parameters = {"file": lines.name, "source": options.source}
            job = jobs.begin(session, options.namespace, key, parameters, restart=options.restart)
        report.resumed_at = job.line
        report.entities = job.counts
        looked_at = 0
        for batch in _read_ahead(_batches(context, lines)):
            report.entities.read, report.entities.rejected = batch.counts.read, batch.counts.rejected
            if batch.line > job.line:
                _write(context, batch, job)
            if report.entities.added >= max(MANY, 4 * looked_at):
                # Else Postgres would look for each batch as if the tables were still empty.
                looked_at = report.entities.added
                with Session(context.engine) as session, session.begin():
                    curation.refresh_entity_statistics(session)
            context.progress(Progress(batch.done_bytes, lines.total_bytes, batch.counts.read))
        _finish(context, job)


def _write(context: ImportContext, batch: _Batch, job: jobs.ImportJob) -> None:
    """Write a batch in one transaction; what the finished import commits makes the batches before it safe."""
    namespace, report = context.options.namespace, context.report
    # The same file may be cut into other batches than when it was interrupted.
    staged = [item for line, item in batch.staged if line > job.line]
    with Session(context.engine) as session, session.begin():
        curation.prepare_bulk(session)
        outcome = curation.put_entities(session, namespace, staged, context.edit)
        _count(report, outcome)
        jobs.save(session, job, batch.line, report.entities)
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
    report = context.report
    with closing(LineReader(path)) as lines, Session(context.engine) as session:
        for batch in _read_ahead(_batches(context, lines)):
            report.entities.read, report.entities.rejected = batch.counts.read, batch.counts.rejected
            _count(report, preview.add(session, [item for _, item in batch.staged]))
            context.progress(Progress(batch.done_bytes, lines.total_bytes, batch.counts.read))
        preview.finish(session, report)


def _batches(context: ImportContext, lines: LineReader) -> Iterator[_Batch]:
    """Yield the entities of a file in batches; the last has what is left over, even if that is nothing."""
    batch = _Batch()
    volume = 0
    options = context.options

    def ready(number: int) -> _Batch:
        return replace(batch, line=number, counts=replace(batch.counts), done_bytes=lines.done_bytes)

    number = 0
    entities = context.read(lines, batch.counts, ENTITY_FIELDS, lambda data: entity_record(data, options.source))
    for number, raw, record in entities:
        batch.staged.append((number, curation.stage(record)))
        volume += len(raw)
        if len(batch.staged) >= options.batch or volume >= BATCH_BYTES:
            yield ready(number)
            batch.staged, volume = [], 0
    yield ready(number)


def _read_ahead(batches: Iterator[_Batch]) -> Iterator[_Batch]:
    """Yield batches while the next one is being read."""
    with ThreadPoolExecutor(1, thread_name_prefix="import") as pool:
        future = pool.submit(next, batches, None)
        while (batch := future.result()) is not None:
            future = pool.submit(next, batches, None)
            yield batch


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Look for reference cycles less often: records have none, and looking takes a third of the time of reading."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _count(report: ImportReport, outcome: curation.Outcome) -> None:
    report.entities.added += outcome.added
    report.entities.changed += outcome.changed
    report.entities.unchanged += outcome.unchanged


def _rejects_path(first: Path | None, options: ImportOptions) -> Path | None:
    if options.rejects is not None or first is None or options.dry_run:
        return options.rejects
    return Path("stdin.rejects.jsonl") if first == STDIN else first.with_name(f"{first.name}.rejects.jsonl")
