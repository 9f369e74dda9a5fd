"""Small snapshots, built with the real encoder from records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kb.index import KbSource, SnapshotFolders, build_snapshot
from kb.records import AliasRecord, EntityRecord, RelationRecord, TypeRecord
from kb.usage import NO_USAGE
from model.encoder import Encoder
from model.entity_encoder import EntityEncoder

CITIES = [
    EntityRecord(
        "Q1",
        "Paris",
        description="Capital of France",
        aliases=(AliasRecord("Paris", 90), AliasRecord("City of Light", 2)),
        types=("city",),
        relations=(RelationRecord("near", "Q3"),),
        xrefs={"wikidata": "Q1"},
        popularity=100,
    ),
    EntityRecord("Q2", "Paris", description="City in Texas", aliases=(AliasRecord("Paris", 9),), types=("city",)),
    EntityRecord("Q3", "Versailles", aliases=(AliasRecord("Versailles", 5),), popularity=10),
    EntityRecord("AC/DC", "AC/DC", description="Rock band", aliases=(AliasRecord("ACDC", 3),)),
]
TYPES = [TypeRecord("place", "Place"), TypeRecord("city", "City", "place")]


def source_of(
    entities: Sequence[EntityRecord],
    version: int = 1,
    types: Sequence[TypeRecord] = TYPES,
    namespace: str = "default",
) -> KbSource:
    """Return what a build reads of a knowledge base."""
    return KbSource(namespace, version, entities, len(entities), list(types), [], {}, NO_USAGE)


class Builder:
    """Builds snapshots below a folder."""

    def __init__(self, root: Path, encoder: Encoder, cache: Path) -> None:
        self.folders = SnapshotFolders(root, "default")
        self.payloads = EntityEncoder(encoder, cache)
        self.model_version = self.payloads.model_version

    def build(self, entities: Sequence[EntityRecord] = CITIES, version: int = 1, namespace: str = "default") -> Path:
        """Build a snapshot and return its folder."""
        source = source_of(entities, version, namespace=namespace)
        return build_snapshot(source, self.payloads, self.folders, lambda *_: None)

    def left(self) -> set[str]:
        """Return the names of what lies in the folder of snapshots, without the lock."""
        return {path.name for path in self.folders.root.iterdir()} - {"build.lock"}
