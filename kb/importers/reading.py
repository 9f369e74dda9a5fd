"""Reading a file: its lines made into records, and its entities into batches that only need to be written."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from kb.importers.checks import ENTITY_FIELDS, Rejected, decode, entity_record
from kb.importers.lines import LineReader
from kb.records import EntityRecord, PredicateRecord, TypeRecord
from kb.staging import Staged, stage

BATCH_BYTES = 1 << 25

Item = TypeVar("Item", EntityRecord, TypeRecord, PredicateRecord)


class Line(NamedTuple, Generic[Item]):
    """A line with its number: the record that it describes or why there is none, and its fields that mean nothing."""

    number: int
    raw: bytes
    record: Item | Rejected
    unknown: Set[str] = frozenset()


@dataclass(slots=True)
class Batch:
    """A stretch of a file of entities.

    Attributes:
        staged: its entities, each with the number of its line.
        rejected: the lines that cannot be used: number, reason, bytes.
        unknown_fields: fields that mean nothing, with how often they occur.
        read: how many lines it has.
        line: number of the last of them.
        done_bytes: how much of the file was read up to its end, in bytes on disk.
        damage: what is wrong with the file, known with its last batch.
    """

    staged: list[tuple[int, Staged]] = field(default_factory=list)
    rejected: list[tuple[int, Rejected, bytes]] = field(default_factory=list)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    read: int = 0
    line: int = 0
    done_bytes: int = 0
    damage: str | None = None


def read_lines(
    lines: LineReader, known: frozenset[str], record_of: Callable[[dict[str, Any]], Item]
) -> Iterator[Line[Item]]:
    """Yield what each line of a file holds; of lines with the same id only the first can be used.

    Args:
        lines: the file.
        known: the fields that mean something.
        record_of: makes a record of the line's JSON object.
    """
    first_lines: dict[str, int] = {}
    for number, raw in lines:
        try:
            data = decode(raw)
            record = record_of(data)
            _refuse_second(first_lines.setdefault(record.id, number), number)
        except Rejected as reason:
            if number == lines.open_line and reason.field is None:
                lines.damage = f"{lines.name} ends in the middle of line {number}: copy or download the file again."
            yield Line(number, raw, reason)
            continue
        yield Line(number, raw, record, frozenset() if data.keys() <= known else data.keys() - known)


def read_batches(lines: LineReader, source: str | None, size: int) -> Iterator[Batch]:
    """Yield the entities of a file in batches of `size`; the last has what is left over, even if that is nothing.

    `source` stands in where an entity names none.
    """
    batch, volume = Batch(), 0
    for line in read_lines(lines, ENTITY_FIELDS, lambda data: entity_record(data, source)):
        batch.read += 1
        batch.line = line.number
        volume += len(line.raw)
        if isinstance(line.record, Rejected):
            batch.rejected.append((line.number, line.record, line.raw))
        else:
            batch.staged.append((line.number, stage(line.record)))
        if line.unknown:
            batch.unknown_fields.update(line.unknown)
        if len(batch.staged) >= size or volume >= BATCH_BYTES:
            batch.done_bytes = lines.done_bytes
            yield batch
            batch, volume = Batch(line=batch.line), 0
    batch.done_bytes = lines.done_bytes
    batch.damage = lines.damage
    yield batch


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Look for reference cycles less often: records have none, and looking takes a third of the time of reading."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _refuse_second(first: int, number: int) -> None:
    if first != number:
        raise Rejected("id", f"line {first} has the same id", "put all of it on one line, or give it an id of its own")
