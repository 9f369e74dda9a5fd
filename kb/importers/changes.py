"""The report of what became of each entity of a file, as JSON Lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import orjson

from kb.curation import Comparison
from kb.history import difference
from kb.importers.clashes import Clash, by_entity
from kb.importers.report import EXAMPLES, ImportFailed, ImportReport
from kb.staging import Staged


class ChangesFile:
    """Writes down what became of each entity, and counts conflicts; with path None, it only counts.

    What a batch did is written before the batch is committed. An import that goes on after an interruption keeps what
    was committed and drops the rest, so that the file is as if nothing had happened.
    """

    def __init__(self, path: Path | None, report: ImportReport) -> None:
        self._path = path
        self._report = report
        self._file: IO[bytes] | None = None

    def begin(self, resumed_at: int) -> None:
        """Open the file; entries up to line `resumed_at` stay.

        Raises:
            ImportFailed: it cannot be written.
        """
        if self._path is None:
            return
        try:
            if resumed_at and self._path.is_file():
                partial = self._path.with_name(f"{self._path.name}.partial")
                with partial.open("wb") as file:
                    file.writelines(_kept(self._path, resumed_at))
                partial.replace(self._path)
            self._file = self._path.open("ab" if resumed_at else "wb")
        except OSError as error:
            raise _unwritable(error) from error

    def add(
        self,
        staged: Sequence[tuple[int, Staged]],
        found: Comparison,
        before: Mapping[str, Staged],
        clashes: Sequence[Clash],
    ) -> None:
        """Note what became of a batch.

        Args:
            staged: its entities with the numbers of their lines.
            found: what they are compared with the knowledge base.
            before: what the changed ones were.
            clashes: their conflicts.

        Raises:
            ImportFailed: the file cannot be written.
        """
        conflicts = by_entity(clashes)
        self._report.entities.conflicting += len(conflicts)
        for clash in clashes[: EXAMPLES - len(self._report.conflicts)]:
            self._report.conflicts.append(str(clash))
        if self._file is None:
            return
        changed = {item.id for item in found.changed}
        added = {item.id for item in found.fresh + found.deleted}
        try:
            for line, item in staged:
                entry: dict[str, Any] = {"line": line, "entity": item.id}
                if item.id in changed:
                    entry |= {"change": "changed", "diff": _difference(before[item.id], item)}
                else:
                    entry["change"] = "added" if item.id in added else "unchanged"
                if item.id in conflicts:
                    entry["conflicts"] = [clash.json() for clash in conflicts[item.id]]
                self._file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()
        except OSError as error:
            raise _unwritable(error) from error

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            with suppress(OSError):  # each batch was told about already
                self._file.close()


def _kept(path: Path, last: int) -> Iterator[bytes]:
    """Yield the entries up to a line; the last one of a process that was killed may be cut off."""
    with path.open("rb") as file, suppress(orjson.JSONDecodeError):
        for entry in file:
            if orjson.loads(entry)["line"] > last:
                return
            yield entry


def _difference(before: Staged, after: Staged) -> list[dict[str, Any]]:
    found = difference(orjson.loads(before.line), orjson.loads(after.line))
    return [
        {"field": item.field, "added": item.added, "removed": item.removed}
        if item.added or item.removed
        else {"field": item.field, "before": item.before, "after": item.after}
        for item in found
    ]


def _unwritable(error: OSError) -> ImportFailed:
    return ImportFailed(f"The report cannot be written: {error}. Name another file with --report.")
