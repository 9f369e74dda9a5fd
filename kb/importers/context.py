"""How to import, and what the parts of one import share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine

from kb.curation import Edit
from kb.importers.checks import Rejected, decode
from kb.importers.lines import LineReader
from kb.importers.report import Counts, ImportReport, ProgressCallback, RejectsFile
from kb.records import DEFAULT_NAMESPACE, EntityRecord, PredicateRecord, TypeRecord

BATCH_ENTITIES = 5000

Item = TypeVar("Item", EntityRecord, TypeRecord, PredicateRecord)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import.

    Attributes:
        namespace: the knowledge base to write to; it is created if there is none.
        source: name of the source of entities that name none themselves.
        licence: licence of that source.
        dry_run: write nothing, only tell what would be written.
        restart: begin with the first line, even if an earlier import of the file was interrupted.
        rejects: file for the lines that cannot be used; None: FILE.rejects.jsonl beside the file of entities.
        actor: who imports, for the revisions.
        batch: entities in one transaction.
    """

    namespace: str = DEFAULT_NAMESPACE
    source: str | None = None
    licence: str | None = None
    dry_run: bool = False
    restart: bool = False
    rejects: Path | None = None
    actor: str | None = None
    batch: int = BATCH_ENTITIES


@dataclass(slots=True)
class ImportContext:
    """What the parts of one import share."""

    engine: Engine
    options: ImportOptions
    report: ImportReport
    rejects: RejectsFile
    progress: ProgressCallback
    started: float = field(default_factory=time.monotonic)

    @property
    def edit(self) -> Edit:
        """What the revisions say about themselves."""
        return Edit("import", self.options.actor)

    @property
    def seconds(self) -> float:
        """Time since the import began."""
        return time.monotonic() - self.started

    def read(
        self,
        lines: LineReader,
        counts: Counts,
        known: frozenset[str],
        record_of: Callable[[dict[str, Any]], Item],
    ) -> Iterator[tuple[int, bytes, Item]]:
        """Yield the number, the bytes and the record of each line that can be used; count and write down the others.

        Args:
            lines: the file.
            counts: `read` and `rejected` are counted here.
            known: the fields that mean something; others are counted in the report.
            record_of: makes a record of the line's JSON object.
        """
        first_lines: dict[str, int] = {}
        for number, raw in lines:
            counts.read += 1
            try:
                data = decode(raw)
                record = record_of(data)
                _refuse_second(first_lines.setdefault(record.id, number), number)
            except Rejected as reason:
                if number == lines.open_line and reason.field is None:
                    lines.damage = f"{lines.name} ends in the middle of line {number}: copy or download the file again."
                self.reject(lines, counts, number, reason, raw)
                continue
            if not data.keys() <= known:
                self.report.unknown_fields.update(data.keys() - known)
            yield number, raw, record
        self.note_damage(lines)

    def reject(self, lines: LineReader, counts: Counts, number: int, reason: Rejected, raw: bytes) -> None:
        """Count a line that cannot be used, and write it down."""
        counts.rejected += 1
        self.rejects.add(lines.name, number, reason, raw)

    def note_damage(self, lines: LineReader) -> None:
        """Report what is wrong with a file that was read to its end."""
        if lines.damage is not None:
            self.report.damage = " ".join(filter(None, [self.report.damage, lines.damage]))


def _refuse_second(first: int, number: int) -> None:
    if first != number:
        raise Rejected("id", f"line {first} has the same id", "put all of it on one line, or give it an id of its own")
