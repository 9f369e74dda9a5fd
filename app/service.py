"""What the API and the command line work with: the database, and the linker over one knowledge base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from app.settings import Settings, load_settings
from kb.database import make_engine, migrate
from kb.embedded import embedded_postgres
from kb.records import EntityRecord
from model.types import Document, LinkedDocument, LinkOptions

LANGUAGES = frozenset({"en"})  # what the encoder and the ranker were trained on


class Linker(Protocol):
    """Links documents."""

    def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
        """Return one answer a document, in their order. May be called from several threads."""


class KnowledgeBase(Protocol):
    """What evaluation asks of the knowledge base that a linker serves."""

    def contains(self, entity: str) -> bool:
        """Say whether the knowledge base has this entity."""

    def training_count(self, entity: str) -> int:
        """Return how often the entity was linked in the text that the model was trained on."""


class Disambiguator(Linker, KnowledgeBase, Protocol):
    """The linker with the snapshot that it serves."""

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change that answers know."""

    @property
    def model_version(self) -> str:
        """Names encoder, ranker and calibration."""

    @property
    def snapshot_path(self) -> Path:
        """Folder of the snapshot that answers come from."""

    @property
    def wordpieces(self) -> int:
        """Wordpieces encoded since the start."""

    def records(self, ids: Sequence[str]) -> list[EntityRecord]:
        """Return what an answer shows of these entities; ids that are not there are left out."""

    @property
    def encoder_version(self) -> str:
        """Names what makes the vectors of `embed`; those of two versions must not be compared."""

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the unit vector of each text (texts x 384)."""

    def has_type(self, type_id: str) -> bool:
        """Say whether the knowledge base has this type."""

    def baseline(self, name: str) -> Linker:
        """Return a simpler linker over the same knowledge base, to compare with."""

    def close(self) -> None:
        """Stop following the knowledge base and let go of the snapshot."""


@dataclass(frozen=True, slots=True)
class Service:
    """An opened database and the linker over it."""

    settings: Settings
    engine: Engine
    linker: Disambiguator

    @property
    def knowledge_base(self) -> KnowledgeBase:
        """What evaluation asks of the knowledge base."""
        return self.linker

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change that answers know."""
        return self.linker.kb_version

    @property
    def model_version(self) -> str:
        """Names encoder, ranker and calibration."""
        return self.linker.model_version

    @property
    def snapshot_path(self) -> Path:
        """Folder of the snapshot that answers come from."""
        return self.linker.snapshot_path

    def baseline(self, name: str) -> Linker:
        """Return a simpler linker over the same knowledge base, to compare with."""
        return self.linker.baseline(name)

    def entity_records(self, ids: Sequence[str]) -> list[EntityRecord]:
        """Return what the snapshot holds of these entities; ids that it lacks are left out."""
        return self.linker.records(ids)


@contextmanager
def open_database(settings: Settings | None = None) -> Iterator[Engine]:
    """Open the database that the settings name, or the embedded one, brought to the newest schema."""
    settings = settings or load_settings()
    if settings.database_url is not None:
        with _migrated(settings.database_url) as engine:
            yield engine
        return
    with embedded_postgres(settings.home) as server, _migrated(server.url) as engine:
        yield engine


@contextmanager
def _migrated(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def open_service(settings: Settings | None = None, *, build: bool = False) -> Iterator[Service]:
    """Open the database and the linker.

    Args:
        settings: read from the environment when not given.
        build: build a snapshot first where there is none, or where it is of another model.
    """
    from app.assembly import open_linker  # imports the encoder's libraries: seconds that `--help` need not wait

    settings = settings or load_settings()
    with open_database(settings) as engine:
        linker = open_linker(settings, engine, build=build)
        try:
            yield Service(settings, engine, linker)
        finally:
            linker.close()
