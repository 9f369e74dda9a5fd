"""What an import tells: its numbers, its progress and the lines that it could not use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import orjson

from kb.importers.checks import Rejected

EXAMPLES = 5


class ImportFailed(RuntimeError):  # noqa: N818
    """The import cannot start or go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: bytes of the file as it lies on disk (total None: unknown) and lines of entities."""

    done_bytes: int
    total_bytes: int | None
    entities: int


ProgressCallback = Callable[[Progress], None]


@dataclass(slots=True)
class Counts:
    """What became of the items of one file.

    `read` is the sum of those added, changed, unchanged and rejected; some of the added and changed are `conflicting`,
    too.
    """

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    conflicting: int = 0


@dataclass(slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        entities, types, predicates: what became of the items of each file.
        unknown_types, unknown_predicates: ids that entities name but no file did; they now have their id as label.
        unknown_fields: fields of the files that mean nothing here, with how often they occur.
        pending_relations: relations of the namespace whose object is not in the knowledge base.
        pending_examples: some of them, as subject, predicate, object.
        rejects: some of the rejected lines, as file, line, field, error.
        rejects_file: where all of them are, None without any.
        conflicts: some of the conflicts, in words.
        resumed_at: number of the line after which an interrupted import went on, 0 for a fresh one.
        damage: what is wrong with a file that could not be read to its end, None for whole files.
        seconds: duration.
        dry_run: True where nothing was written.
    """

    entities: Counts = field(default_factory=Counts)
    types: Counts = field(default_factory=Counts)
    predicates: Counts = field(default_factory=Counts)
    unknown_types: list[str] = field(default_factory=list)
    unknown_predicates: list[str] = field(default_factory=list)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    pending_relations: int = 0
    pending_examples: list[tuple[str, str, str]] = field(default_factory=list)
    rejects: list[tuple[str, int, str | None, str]] = field(default_factory=list)
    rejects_file: Path | None = None
    conflicts: list[str] = field(default_factory=list)
    resumed_at: int = 0
    damage: str | None = None
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def rejected(self) -> int:
        """Lines that could not be used, of all files."""
        return self.entities.rejected + self.types.rejected + self.predicates.rejected


class RejectsFile:
    """Collects rejected lines in a JSON Lines file that is made when the first one comes.

    With path None, the lines are only counted.
    """

    def __init__(self, path: Path | None, report: ImportReport) -> None:
        self._path = path
        self._report = report
        self._file: IO[bytes] | None = None
        if path is not None and path.is_file():
            path.unlink()  # of an earlier import

    def add(self, file: str, line: int, reason: Rejected, raw: bytes) -> None:
        """Write down why a line was rejected.

        Raises:
            ImportFailed: the file cannot be written.
        """
        if len(self._report.rejects) < EXAMPLES:
            self._report.rejects.append((file, line, reason.field, reason.error))
        if self._path is None:
            return
        entry = {
            "file": file,
            "line": line,
            "field": reason.field,
            "error": reason.error,
            "remedy": reason.remedy,
            "raw": raw.decode(errors="backslashreplace"),
        }
        try:
            if self._file is None:
                self._file = self._path.open("wb")
                self._report.rejects_file = self._path
            self._file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            message = f"The rejected lines cannot be written: {error}. Name another file with --rejects."
            raise ImportFailed(message) from error

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()
