"""Which pages and entities training never sees, so that what it learned can be measured on new ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from model.evaluation.corpus import LabelledDocument, stable_hash
from model.training.documents import DocumentStore, NumberArray


@dataclass(frozen=True, slots=True)
class Split:
    """A division by hash: it does not depend on order, on other documents or on the machine.

    All parts of a page, of whatever source, are on one side. Held-out documents keep all mentions, so that entities
    which training saw and those which it did not (`entity_held_out`) are measured apart.

    Attributes:
        pages: share of the pages that are held out (0 to 1).
        entities: share of the entities that are never the gold of a training mention (0 to 1).
        seed: other ones for another seed.
    """

    pages: float
    entities: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("pages", "entities"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} is no share; give a number from 0 to 1")

    def page_held_out(self, number: int) -> bool:
        """Tell whether the page with this `page_number` is held out."""
        return self._draw("page", int(number)) < self.pages

    def entity_held_out(self, entity: str) -> bool:
        """Tell whether the entity with this id is held out."""
        return self._draw("entity", entity) < self.entities

    def divide(self, store: DocumentStore) -> tuple[NumberArray, NumberArray]:
        """Return the numbers of the documents to train on and of those held out, each ascending."""
        pages, where = np.unique(store.pages, return_inverse=True)
        held_out = np.array([self.page_held_out(page) for page in pages.tolist()], dtype=np.bool_)[where]
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def for_training(self, document: LabelledDocument) -> LabelledDocument:
        """Return a document without its mentions of held-out entities: their words are text that nobody labelled."""
        kept = tuple(m for m in document.mentions if m.entity is None or not self.entity_held_out(m.entity))
        return document if len(kept) == len(document.mentions) else replace(document, mentions=kept)

    def _draw(self, what: str, key: int | str) -> float:
        return int.from_bytes(stable_hash(self.seed, what, key), "big") / 2**64
