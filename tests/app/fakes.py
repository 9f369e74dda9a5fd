"""A linker without a model: every capitalised word is a mention, and names the entity whose label it is."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine

from app.service import Service
from app.settings import Settings
from kb.records import EntityRecord
from model.types import Candidate, Document, Link, LinkedDocument, LinkOptions, Span

ENTITIES = {
    record.label: record
    for record in (
        EntityRecord("Q28260", "Lincoln", "city in Nebraska", types=("city",), xrefs={"wikidata": "Q28260"}),
        EntityRecord("band/AC/DC", "AC", "Australian rock band", types=("band",)),
    )
}
KB_VERSION = 7


class FakeDisambiguator:
    kb_version = KB_VERSION
    model_version = "fake-1"
    snapshot_path = Path("/")
    wordpieces = 0

    def __init__(self) -> None:
        self.broken: Exception | None = None

    def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
        if self.broken is not None:
            raise self.broken
        self.wordpieces += sum(len(document.text.split()) for document in documents)
        return [LinkedDocument(d.id, tuple(_links(d, options)), KB_VERSION, self.model_version) for d in documents]

    def records(self, ids: Sequence[str]) -> list[EntityRecord]:
        return [record for record in ENTITIES.values() if record.id in ids]

    def contains(self, entity: str) -> bool:
        return bool(self.records([entity]))

    def training_count(self, entity: str) -> int:  # noqa: ARG002
        return 0

    def has_type(self, type_id: str) -> bool:
        return type_id in {"city", "band"}

    def baseline(self, name: str) -> "FakeDisambiguator":  # noqa: ARG002
        return self

    def close(self) -> None:
        pass


def _links(document: Document, options: LinkOptions) -> Iterator[Link]:
    found = (Span(*match.span()) for match in re.finditer(r"\b[A-Z]\w*", document.text))
    for span in document.mentions if document.mentions is not None else found:
        name = document.text[span.start : span.end]
        entity = ENTITIES.get(name)
        listed = [entity] if entity and options.max_candidates else []
        candidates = tuple(Candidate(e.id, 1.5, 0.9, ("alias",), {"prior": 1.5}) for e in listed)
        yield Link(span.start, span.end, name, 1.0, entity.id if entity else None, 0.9, 0.1, candidates)


def fake_service(settings: Settings, engine: Engine | None = None) -> Service:
    return Service(settings, engine or create_engine("sqlite://"), FakeDisambiguator())


@contextmanager
def opened(service: Service) -> Iterator[Service]:
    yield service
