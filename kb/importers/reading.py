"""Reading a file: its lines made into records, and its entities into batches that only need to be written."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from kb.importers.checks import Rejected, decode, entity_record, refuse_unstorable
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


class Classes(NamedTuple):
    """Types and predicates that a file of entities tells of, too."""

    types: tuple[TypeRecord, ...] = ()
    predicates: tuple[PredicateRecord, ...] = ()


NO_CLASSES = Classes()


class EntityReader(Protocol):
    """A file of entities in some format, read once.

    Attributes:
        damage: None, or what is wrong with the file and what to do about it; known when all lines were read.
    """

    damage: str | None

    @property
    def done_bytes(self) -> int:
        """How much of the file was read, in bytes on disk."""

    def __iter__(self) -> Iterator[Line[EntityRecord]]:
        """Yield the entities in the order of the file, the same each time that it is read."""

    def classes(self) -> Classes:
        """Return what types and predicates are called, as far as that is known by now and was not returned before."""

    def close(self) -> None:
        """Close the file."""


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
        classes: types and predicates to write with it.
        redirects: former ids of its entities: number of the line, former id, entity.
    """

    staged: list[tuple[int, Staged]] = field(default_factory=list)
    rejected: list[tuple[int, Rejected, bytes]] = field(default_factory=list)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    read: int = 0
    line: int = 0
    done_bytes: int = 0
    damage: str | None = None
    classes: Classes = NO_CLASSES
    redirects: list[tuple[int, str, str]] = field(default_factory=list)


def read_lines(
    lines: LineReader, known: frozenset[str], record_of: Callable[[dict[str, Any]], Item]
) -> Iterator[Line[Item]]:
    """Yield what each line of a JSON Lines file holds; of lines with the same id only the first can be used.

    Args:
        lines: the file.
        known: the fields that mean something.
        record_of: makes a record of the line's JSON object.
    """
    return distinct(decoded_lines(lines, known, record_of))


def distinct(lines: Iterable[Line[Item]]) -> Iterator[Line[Item]]:
    """Yield lines; those whose id an earlier one has are rejected."""
    first_lines: dict[str, int] = {}
    for line in lines:
        if not isinstance(line.record, Rejected):
            first = first_lines.setdefault(line.record.id, line.number)
            if first != line.number:
                remedy = "put all of it on one line, or give it an id of its own"
                yield Line(line.number, line.raw, Rejected("id", f"line {first} has the same id", remedy))
                continue
        yield line


def decoded_lines(
    lines: LineReader, known: frozenset[str], record_of: Callable[[dict[str, Any]], Item]
) -> Iterator[Line[Item]]:
    """Yield what each line of a JSON Lines file holds; see `read_lines`."""
    for number, raw in lines:
        try:
            data = decode(raw)
            record = record_of(data)
        except Rejected as reason:
            if number == lines.open_line and reason.field is None:
                lines.damage = f"{lines.name} ends in the middle of line {number}: copy or download the file again."
            yield Line(number, raw, reason)
            continue
        yield Line(number, raw, record, frozenset() if data.keys() <= known else data.keys() - known)


def checked_entity(data: dict[str, Any], source: str | None) -> EntityRecord:
    """Return the entity that an object describes which another format than JSON was made into.

    Raises:
        Rejected: a field is missing, out of range, or has a character that cannot be stored.
    """
    refuse_unstorable("", data)
    return entity_record(data, source)


def read_batches(lines: EntityReader, size: int) -> Iterator[Batch]:
    """Yield the entities of a file in batches of `size`; the last has what is left over, even if that is nothing."""
    batch, volume = Batch(), 0
    for line in distinct(lines):
        batch.read += 1
        batch.line = line.number
        volume += len(line.raw)
        if isinstance(line.record, Rejected):
            batch.rejected.append((line.number, line.record, line.raw))
        else:
            batch.staged.append((line.number, stage(line.record)))
            batch.redirects.extend((line.number, former, line.record.id) for former in line.record.redirects)
        if line.unknown:
            batch.unknown_fields.update(line.unknown)
        if len(batch.staged) >= size or volume >= BATCH_BYTES:
            batch.done_bytes, batch.classes = lines.done_bytes, lines.classes()
            yield batch
            batch, volume = Batch(line=batch.line), 0
    batch.done_bytes, batch.classes = lines.done_bytes, lines.classes()
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
