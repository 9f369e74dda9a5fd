"""From KB rows to a snapshot folder."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import marisa_trie
import numpy as np
import numpy.typing as npt
import orjson

from kb.index.aliases import AliasCollector, Occurrences, entity_names
from kb.index.dense import write_dense
from kb.index.folders import SnapshotFolders
from kb.index.graph import write_neighbours, write_types
from kb.index.usage import write_usage
from kb.index.words import own_words, with_words_of, write_words
from kb.index.writer import SnapshotWriter
from kb.records import EntityRecord, PredicateRecord, TypeRecord
from kb.snapshot import FORMAT, Manifest, write_manifest
from kb.usage import Usage
from kb.words import HashArray

HalfArray = npt.NDArray[np.float16]
Progress = Callable[[str, int, int], None]


class EmptyKbError(RuntimeError):
    """There is nothing to build an index of."""

    def __init__(self, namespace: str) -> None:
        super().__init__(
            f"The knowledge base {namespace} has no entities: import some with `namesake kb import FILE --namespace "
            f"{namespace}`, then build the index again."
        )


class PayloadEncoder(Protocol):
    """What the builder needs of a model."""

    model_version: str

    def title_text(self, entity_id: str, label: str) -> str:
        """Return the text of the title channel."""
        ...

    def encode(self, texts: list[str], progress: Callable[[int], None]) -> HalfArray:
        """Return one unit vector a text; `progress` is told how many texts were done since the last call."""
        ...


@dataclass(frozen=True, slots=True)
class KbSource:
    """One consistent view of a KB, as the builder reads it."""

    namespace: str
    kb_version: int
    entities: Iterable[EntityRecord]
    entity_count: int
    types: list[TypeRecord]
    predicates: list[PredicateRecord]
    occurrences: Mapping[str, Occurrences]
    usage: Usage


@dataclass(slots=True)
class _Rows:
    """What one pass over the entities leaves in memory."""

    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    descriptions: list[str | None] = field(default_factory=list)
    xrefs: list[dict[str, str]] = field(default_factory=list)
    types: list[tuple[str, ...]] = field(default_factory=list)
    aliases: list[tuple[tuple[str, int], ...]] = field(default_factory=list)
    relations: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    popularity: list[int] = field(default_factory=list)
    words: list[HashArray] = field(default_factory=list)


def build_snapshot(source: KbSource, encoder: PayloadEncoder, folders: SnapshotFolders, progress: Progress) -> Path:
    """Build a snapshot beside the current one and make it current when it is whole.

    Args:
        progress: called with a step's name, the units done and the units in all.

    Returns:
        The folder of the new snapshot.

    Raises:
        EmptyKbError: there is nothing to index.
        OSError: the disk is full, say; the current snapshot stays as it was.
    """
    rows = _read(source, progress)
    if not rows.ids:
        raise EmptyKbError(source.namespace)
    # Millions of long-lived small objects make the cycle collector's passes slow, and none of them is in a cycle.
    gc.freeze()
    try:
        _write(source, rows, encoder, folders, progress)
    finally:
        gc.unfreeze()
    return folders.newest()


def _write(
    source: KbSource, rows: _Rows, encoder: PayloadEncoder, folders: SnapshotFolders, progress: Progress
) -> None:
    with folders.building(f"{source.kb_version}-{encoder.model_version}") as folder:
        writer = SnapshotWriter(folder)
        ordinals, rows = _write_entities(writer, rows, {row.id: index for index, row in enumerate(source.types)})
        aliases = _collect_aliases(rows, encoder).write(writer, source.occurrences, rows.ids, rows.popularity)
        _write_graph(writer, rows, ordinals, source)
        width = _write_vectors(writer, rows, source, encoder, progress)
        write_usage(writer, source.usage, ordinals, width)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = Manifest(
            FORMAT,
            source.namespace,
            source.kb_version,
            encoder.model_version,
            len(rows.ids),
            aliases,
            created,
            writer.files,
        )
        write_manifest(folder, manifest)


def _read(source: KbSource, progress: Progress) -> _Rows:
    rows = _Rows()
    for done, entity in enumerate(source.entities, start=1):
        rows.ids.append(entity.id)
        rows.labels.append(entity.label)
        rows.descriptions.append(entity.description or entity.text)
        rows.xrefs.append(entity.xrefs)
        rows.types.append(entity.types)
        rows.aliases.append(tuple((alias.text, alias.count) for alias in entity.aliases))
        rows.relations.append(tuple((relation.predicate, relation.object) for relation in entity.relations))
        rows.popularity.append(entity.popularity)
        rows.words.append(own_words(entity))
        if done % 2000 == 0 or done == source.entity_count:
            progress("reading", done, source.entity_count)
    return rows


def _write_entities(writer: SnapshotWriter, rows: _Rows, type_rows: Mapping[str, int]) -> tuple[dict[str, int], _Rows]:
    """Write ids, labels and records; return id to ordinal, and the rows in the order of their ordinals."""
    trie = marisa_trie.Trie(rows.ids)
    ordinals = {entity_id: trie.key_id(entity_id) for entity_id in rows.ids}
    order = sorted(range(len(rows.ids)), key=lambda index: ordinals[rows.ids[index]])
    rows = _Rows(*([getattr(rows, name)[index] for index in order] for name in _Rows.__slots__))
    writer.trie("entities", trie)
    writer.array("popularity", np.array(rows.popularity, dtype=np.int32))
    writer.blobs("labels", "label_offsets", (label.encode() for label in rows.labels))
    writer.blobs(
        "records",
        "record_offsets",
        (
            orjson.dumps({"d": description, "t": types, "x": xrefs})
            for description, types, xrefs in zip(rows.descriptions, rows.types, rows.xrefs, strict=True)
        ),
    )
    write_types(writer, [[type_rows[name] for name in types if name in type_rows] for types in rows.types])
    return ordinals, rows


def _collect_aliases(rows: _Rows, encoder: PayloadEncoder) -> AliasCollector:
    collector = AliasCollector()
    for ordinal, (entity_id, label) in enumerate(zip(rows.ids, rows.labels, strict=True)):
        collector.add(ordinal, entity_names(label, encoder.title_text(entity_id, label), rows.aliases[ordinal]))
    return collector


def _write_graph(writer: SnapshotWriter, rows: _Rows, ordinals: Mapping[str, int], source: KbSource) -> None:
    predicates = {row.id: index for index, row in enumerate(source.predicates)}
    edges = [
        (ordinal, predicates[predicate], ordinals[target])
        for ordinal, relations in enumerate(rows.relations)
        for predicate, target in relations
        if target in ordinals and predicate in predicates
    ]
    write_neighbours(writer, len(rows.ids), edges)
    write_words(writer, list(_all_words(rows, edges, {row.id: row.label for row in source.types})))
    writer.json("types", [{"id": row.id, "label": row.label, "parent": row.parent} for row in source.types])
    writer.json("predicates", [row.id for row in source.predicates])


def _all_words(
    rows: _Rows, edges: Iterable[tuple[int, int, int]], type_labels: Mapping[str, str]
) -> Iterator[HashArray]:
    """Yield each entity's words: those of its own texts, of its types and of the entities that it relates to."""
    related: dict[int, set[int]] = {}
    for subject, _, target in edges:
        related.setdefault(subject, set()).add(target)
    for ordinal, words in enumerate(rows.words):
        names = [rows.labels[target] for target in related.get(ordinal, ())]
        names += [type_labels[name] for name in rows.types[ordinal] if name in type_labels]
        yield with_words_of(words, names)


def _write_vectors(
    writer: SnapshotWriter, rows: _Rows, source: KbSource, encoder: PayloadEncoder, progress: Progress
) -> int:
    """Write the vectors of texts, and return how many dimensions they have."""
    titles = [encoder.title_text(entity_id, label) for entity_id, label in zip(rows.ids, rows.labels, strict=True)]
    described = [index for index, text in enumerate(rows.descriptions) if text]
    total = len(titles) + len(described) + len(source.types)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("encoding", done, total)

    type_vectors = encoder.encode([row.label for row in source.types], advance)
    title_vectors = encoder.encode(titles, advance)
    description_vectors = encoder.encode([rows.descriptions[index] or "" for index in described], advance)
    description_rows = np.full(len(titles), -1, dtype=np.int32)
    description_rows[described] = np.arange(len(described))
    writer.array("type_vectors", type_vectors)
    writer.array("title_vectors", title_vectors)
    writer.array("description_vectors", description_vectors)
    writer.array("description_rows", description_rows)
    progress("searchable vectors", 0, 1)
    write_dense(writer.folder / "dense.faiss", title_vectors, description_vectors, description_rows)
    writer.seal("dense.faiss")
    progress("searchable vectors", 1, 1)
    return int(title_vectors.shape[1])
