"""Small knowledge bases without a database: records go straight into a snapshot."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.candidates import SnapshotSearch
from kb.importers.checks import decode, entity_record, predicate_record, type_record
from kb.index import KbSource, SnapshotFolders, build_snapshot
from kb.records import EntityRecord, PredicateRecord, TypeRecord
from kb.usage import NO_USAGE, Usage
from model.encoder import Encoder
from model.entity_encoder import EntityEncoder, payload_version
from model.evaluation.corpus import LabelledDocument, read_documents, stable_hash
from model.linker import Linker
from model.scorer import load_scorer

SHARES = {"wiki-prose": 24, "wiki-list": 8, "wiki-table": 8}


@dataclass(frozen=True)
class Sample:
    """Documents, and the entities that are called as something in them is."""

    documents: list[LabelledDocument]
    source: KbSource


def source_of(
    entities: list[EntityRecord],
    types: list[TypeRecord] | None = None,
    predicates: list[PredicateRecord] | None = None,
    usage: Usage = NO_USAGE,
) -> KbSource:
    return KbSource("default", 1, entities, len(entities), types or [], predicates or [], {}, usage)


def linker_over(source: KbSource, encoder: Encoder, home: Path, encodings: Path | None = None) -> Linker:
    """Build a snapshot below `home`, or open the one that is there for the encoder's precision, and link with it.

    Vectors are kept in `encodings`, below `home` if left out.
    """
    folders = SnapshotFolders(home / encoder.version, source.namespace)
    if folders.current() is None:
        payloads = EntityEncoder(encoder, encodings or home / "encodings")
        build_snapshot(source, payloads, folders, lambda _step, _done, _total: None)
    search = SnapshotSearch(folders.open_current(payload_version(encoder)))
    return Linker(encoder, search, search, load_scorer())


def read_sample(data: Path, times: int = 1) -> Sample:
    """Read development documents, 40 times `times`, and the entities of their names: 700 for 40, 3,200 for 160."""
    every = list(read_documents(data / "corpora" / "dev.jsonl.gz"))
    documents: list[LabelledDocument] = []
    for source, size in SHARES.items():
        pool = (document for document in every if document.source == source)
        documents.extend(sorted(pool, key=lambda document: stable_hash(0, document.id))[: size * times])
    names = {document.text[m.start : m.end].lower() for document in documents for m in document.mentions}
    gold = {m.entity for document in documents for m in document.mentions}
    entities = [
        entity_record(row)
        for row in _rows(data / "wiki-kb" / "entities.jsonl.gz")
        if row["id"] in gold or any(alias["text"].lower() in names for alias in row["aliases"])
    ]
    types = [type_record(row) for row in _rows(data / "wiki-kb" / "types.jsonl.gz")]
    predicates = [predicate_record(row) for row in _rows(data / "wiki-kb" / "predicates.jsonl.gz")]
    used = {name for entity in entities for name in entity.types}
    return Sample(documents, source_of(entities, [row for row in types if row.id in used], predicates))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path) as file:
        for line in file:
            yield decode(line)
