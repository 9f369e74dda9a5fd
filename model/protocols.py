"""What the disambiguator needs of a knowledge base. Entities are named by small integers, their ordinals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]
HalfArray = npt.NDArray[np.float16]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


class AliasMatches(Protocol):
    """Every stretch of a text, from word boundary to word boundary, that is an alias."""

    @property
    def starts(self) -> IntArray:
        """Code point offsets of the first characters."""
        ...

    @property
    def ends(self) -> IntArray:
        """Code point offsets after the last characters."""
        ...

    @property
    def rows(self) -> IntArray:
        """Which alias each is."""
        ...


class CandidateSource(Protocol):
    """Finds entities by name and by meaning."""

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change that the answers know of."""
        ...

    def match(self, text: str) -> AliasMatches:
        """Find the aliases in a text."""
        ...

    def alias_row(self, surface: str) -> int:
        """Return the row of the alias that `surface` is, or -1."""
        ...

    def bearers(self, row: int) -> tuple[IntArray, IntArray]:
        """Return ordinals and counts of the entities that bear an alias, most frequent first."""
        ...

    def alias_statistics(self, rows: IntArray) -> IntArray:
        """Return, per alias, five numbers (rows x 5).

        The sum of its counts; then in how many documents of a corpus it occurs and is a link, with an upper-case letter
        in it (two numbers) and without (two numbers).
        """
        ...

    def similar_aliases(self, surface: str) -> list[int]:
        """Return the rows of aliases that differ from `surface` by a slip or two, most similar first."""
        ...

    def nearest(self, vectors: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return ordinals and inner products (queries x k) of the entities nearest to unit vectors; -1 where fewer."""
        ...


class LinkStore(Protocol):
    """What links say of the entities that they lead to."""

    def popularity(self, ordinals: IntArray) -> IntArray:
        """Return how often each entity was linked."""
        ...

    def usage(self, ordinals: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the mean of the vectors by which each entity's links looked for it, and how many links those are.

        The vectors (ordinals x 384) are shorter than one, and zero where no link was encoded.
        """
        ...


class EntityStore(LinkStore, Protocol):
    """What is known of entities, as arrays."""

    def entity_id(self, ordinal: int) -> str:
        """Return the entity's id."""
        ...

    def ordinal(self, entity: str) -> int | None:
        """Return the ordinal of the entity with this id, or None."""
        ...

    def labels(self, ordinals: IntArray) -> list[str]:
        """Return labels."""
        ...

    def names(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the names of entities (label, title and aliases): position in `ordinals`, and the alias row."""
        ...

    def titles(self, ordinals: IntArray) -> FloatArray:
        """Return unit vectors (ordinals x 384) of the title channel."""
        ...

    def descriptions(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit vectors (ordinals x 384) of the description channel, and which entities have one."""
        ...

    def types(self, ordinals: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return unit mean vectors (ordinals x 384) of the names of entities' types, and which entities have any."""
        ...

    def type_rows(self, types: Sequence[str]) -> set[int]:
        """Return the rows of these types and of all types below them."""
        ...

    def has_type(self, ordinals: IntArray, rows: set[int]) -> BoolArray:
        """Tell which entities have one of the types in `rows`."""
        ...

    def neighbours(self, ordinals: IntArray, limit: int) -> tuple[IntArray, IntArray]:
        """Return edges as two arrays: position in `ordinals`, and the neighbour's ordinal.

        Entities with more than `limit` neighbours are left out: their edges say little, and are found from the other
        end.
        """
        ...

    def degrees(self, ordinals: IntArray) -> IntArray:
        """Return how many neighbours each entity has."""
        ...

    def word_rows(self, text: str) -> tuple[IntArray, IntArray]:
        """Return the words of a text that the KB knows, in its order, and the code points at which they start."""
        ...

    def words(self, ordinals: IntArray) -> tuple[IntArray, IntArray]:
        """Return the words of entities (of their texts, types and relations): position in `ordinals`, and the word."""
        ...

    def word_weights(self, words: IntArray) -> FloatArray:
        """Return how much each word tells (inverse document frequency)."""
        ...
