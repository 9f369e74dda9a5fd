"""How to import, and what the parts of one import share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from kb.curation import Edit
from kb.importers.changes import ChangesFile
from kb.importers.checks import Rejected
from kb.importers.clashes import IMPORT
from kb.importers.formats import USUAL, Reading
from kb.importers.lines import LineReader
from kb.importers.reading import Item, read_lines
from kb.importers.report import Counts, ImportReport, ProgressCallback, RejectsFile
from kb.records import DEFAULT_NAMESPACE

BATCH_ENTITIES = 5000


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
        report: file for what became of each entity; None for no such file.
        reading: how to read the file of entities: its format, and what belongs to that.
        actor: who imports, for the revisions.
        batch: entities in one transaction.
    """

    namespace: str = DEFAULT_NAMESPACE
    source: str | None = None
    licence: str | None = None
    dry_run: bool = False
    restart: bool = False
    rejects: Path | None = None
    report: Path | None = None
    reading: Reading = USUAL
    actor: str | None = None
    batch: int = BATCH_ENTITIES


@dataclass(slots=True)
class ImportContext:
    """What the parts of one import share."""

    engine: Engine
    options: ImportOptions
    report: ImportReport
    rejects: RejectsFile
    changes: ChangesFile
    progress: ProgressCallback
    started: float = field(default_factory=time.monotonic)

    @property
    def edit(self) -> Edit:
        """What the revisions say about themselves."""
        return Edit(IMPORT, self.options.actor)

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
        for number, raw, record, unknown in read_lines(lines, known, record_of):
            counts.read += 1
            if isinstance(record, Rejected):
                self.reject(lines.name, counts, number, record, raw)
                continue
            self.report.unknown_fields.update(unknown)
            yield number, raw, record
        self.note_damage(lines.damage)

    def reject(self, file: str, counts: Counts, number: int, reason: Rejected, raw: bytes) -> None:
        """Count a line that cannot be used, and write it down."""
        counts.rejected += 1
        self.rejects.add(file, number, reason, raw)

    def note_damage(self, damage: str | None) -> None:
        """Report what is wrong with a file that was read to its end."""
        if damage is not None:
            self.report.damage = " ".join(filter(None, [self.report.damage, damage]))
