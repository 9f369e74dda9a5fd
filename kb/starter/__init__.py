"""The starter knowledge base: a small, broad set of entities to try Namesake with."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StarterFiles:
    """Where the built files of the starter knowledge base lie."""

    entities: Path
    types: Path
    predicates: Path
    sources: Path


def files() -> StarterFiles:
    """Return the paths of the files that the importer reads, and of the list of their sources."""
    here = Path(__file__).resolve().parent
    return StarterFiles(
        entities=here / "entities.jsonl.gz",
        types=here / "types.jsonl",
        predicates=here / "predicates.jsonl",
        sources=here / "sources.json",
    )
