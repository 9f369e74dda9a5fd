"""How entities are written about: the mean of the vectors of the links that lead to each (FitzGerald et al., 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from model import windows
from model.encoder import Encoder
from model.encoder_weights import HIDDEN_SIZE
from model.evaluation.corpus import NEUTRAL_KINDS, GoldMention, LabelledDocument
from model.mention_vectors import vectors_of_texts
from model.protocols import FloatArray, HalfArray, IntArray
from model.vector_cache import PositionArray, VectorCache, key_of

RECIPE = "u1"  # part of the cache's name: change it when the vectors of links are made differently
BATCH_CHARACTERS = 20_000  # texts encoded together
NOT_USAGE = NEUTRAL_KINDS | {"weak"}  # what a rule found says what the rule says


def links_of(document: LabelledDocument) -> list[GoldMention]:
    """Return the mentions that somebody linked to an entity."""
    return [mention for mention in document.mentions if mention.entity is not None and mention.kind not in NOT_USAGE]


def placed_links(documents: Sequence[LabelledDocument]) -> list[tuple[int, GoldMention]]:
    """Return the links of documents, each with the number of its document."""
    return [(number, link) for number, document in enumerate(documents) for link in links_of(document)]


class LinkEncoder:
    """Encodes links: the vectors by which mentions look for their entities; those of before are kept on disk."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        self._head = None if encoder.adapter is None else encoder.adapter.query
        self._cache = VectorCache(folder / f"{encoder.version}-links-{RECIPE}")

    def vectors(self, texts: Sequence[str], links: Sequence[tuple[int, GoldMention]]) -> HalfArray:
        """Return one unit vector a link (links x 384); zero in a text without wordpieces.

        Args:
            links: which text each is in, and where.

        Raises:
            OSError: the disk is full; what was encoded before is found again the next time.
        """

        def computed(block: PositionArray) -> FloatArray:
            return self._computed(texts, [links[position] for position in block])

        hashes = [key_of(text) for text in texts]
        keys = [key_of(f"{hashes[text]} {link.start} {link.end}") for text, link in links]
        return self._cache.vectors(np.array(keys, dtype=np.uint64), computed, [text for text, _ in links])

    def _computed(self, texts: Sequence[str], links: Sequence[tuple[int, GoldMention]]) -> FloatArray:
        """Encode links, those of one text in a row."""
        of_text: dict[int, list[int]] = {}
        for row, (text, _) in enumerate(links):
            of_text.setdefault(text, []).append(row)
        result = np.zeros((len(links), HIDDEN_SIZE), dtype=np.float32)
        for batch in windows.in_batches(list(of_text), lambda number: len(texts[number]), BATCH_CHARACTERS):
            encoded = windows.encode(self._encoder, [texts[number] for number in batch])
            found = [(of_text[number], each) for number, each in zip(batch, encoded, strict=True) if each is not None]
            if found:
                places = [
                    (each, [links[row][1].start for row in rows], [links[row][1].end for row in rows])
                    for rows, each in found
                ]
                result[[row for rows, _ in found for row in rows]] = vectors_of_texts(places, self._head).query
        return result


class UsageSums:
    """Sums of links' vectors by entity."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._sums: FloatArray = np.zeros((0, HIDDEN_SIZE), dtype=np.float32)
        self._counts: IntArray = np.zeros(0, dtype=np.int32)

    @property
    def links(self) -> int:
        """How many links were added."""
        return int(self._counts.sum())

    def add(self, entities: Sequence[str], vectors: HalfArray) -> None:
        """Add links (vectors: links x 384) to the entities that they lead to."""
        rows = [self._rows.setdefault(entity, len(self._rows)) for entity in entities]
        if len(self._rows) > len(self._sums):
            room = max(2 * len(self._sums), len(self._rows)) - len(self._sums)
            self._sums = np.concatenate([self._sums, np.zeros((room, HIDDEN_SIZE), dtype=np.float32)])
            self._counts = np.concatenate([self._counts, np.zeros(room, dtype=np.int32)])
        np.add.at(self._sums, rows, vectors.astype(np.float32))
        np.add.at(self._counts, rows, 1)

    def means(self) -> tuple[list[str], IntArray, HalfArray]:
        """Return the entities, how many links each has, and their mean (entities x 384)."""
        count = len(self._rows)
        means = np.zeros((count, HIDDEN_SIZE), dtype=np.float16)
        for row in range(count):  # one after the other: all at once would take the memory of all once more
            means[row] = self._sums[row] / self._counts[row]
        return list(self._rows), self._counts[:count], means


def encode_links(
    documents: Sequence[LabelledDocument],
    encoder: LinkEncoder,
    entity_of: Callable[[Sequence[str]], dict[str, str]],
    sums: UsageSums,
) -> int:
    """Add the links of documents to the sums of the entities that they lead to.

    Args:
        entity_of: takes ids and returns, for those that lead to an entity, which that is.

    Returns:
        How many links lead to no entity.

    Raises:
        OSError: the disk is full.
    """
    links = placed_links(documents)
    ends = entity_of(sorted({str(link.entity) for _, link in links}))
    known = [(number, link) for number, link in links if link.entity in ends]
    vectors = encoder.vectors([document.text for document in documents], known)
    sums.add([ends[str(link.entity)] for _, link in known], vectors)
    return len(links) - len(known)
