"""What the knowledge base says of its entities, for what learns from all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb import queries
from kb.database import snapshot_session
from model.entity_encoder import title_text
from model.substitution import Names
from model.training.encoder_data import KnownEntity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from app.progress import Advance
    from app.settings import Settings


def known_entities(session: Session, settings: Settings, count: int, progress: Advance) -> Iterator[KnownEntity]:
    """Yield all entities of the namespace, of which there are `count`."""
    for done, record in enumerate(queries.stream_entities(session, settings.namespace), start=1):
        yield KnownEntity(
            record.id,
            title_text(record.id, record.label),
            record.description or record.text,
            record.types,
            tuple((alias.text, alias.count) for alias in record.aliases),
        )
        if done % 1000 == 0 or done == count:
            progress("entities", done, count)


def read_names(settings: Settings, engine: Engine, progress: Advance) -> Names:
    """Return who bears which name."""
    names = Names()
    with snapshot_session(engine) as session:
        count = queries.count_entities(session, settings.namespace)
        for entity in known_entities(session, settings, count, progress):
            names.add(entity.id, entity.title, entity.names)
    return names
