"""What the API and the command line work with: the database, and the linker over one knowledge base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine

from app.settings import Settings, load_settings
from kb.database import make_engine, migrate
from kb.embedded import embedded_postgres
from kb.records import EntityRecord
from model.types import Document, LinkedDocument, LinkOptions

if TYPE_CHECKING:
    from app.live import LiveLinker

LANGUAGES = frozenset({"en"})  # what the encoder and the ranker were trained on


class Linker(Protocol):
    """Links documents."""

    def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
        """Return one answer a document, in their order. May be called from several threads."""


@dataclass(frozen=True, slots=True)
class Service:
    """An opened database and the linker over it."""

    settings: Settings
    engine: Engine
    linker: LiveLinker

    @property
    def knowledge_base(self) -> LiveLinker:
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
