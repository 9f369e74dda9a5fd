"""Which pages and entities training never sees, so that what it learned can be measured on new ones."""

from __future__ import annotations

from dataclasses import dataclass

from model.evaluation.corpus import stable_hash


@dataclass(frozen=True, slots=True)
class Split:
    """A division by hash: it does not depend on order, on other documents or on the machine.

    All parts of a page, of whatever source, are on one side. What is measured on held-out pages are all mentions, of
    entities that training saw and of those that it did not.

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

    def _draw(self, what: str, key: int | str) -> float:
        return int.from_bytes(stable_hash(self.seed, what, key), "big") / 2**64
