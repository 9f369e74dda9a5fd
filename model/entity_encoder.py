"""The entity side: from what the KB says of an entity to the vectors that the scorer reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from model.encoder import Encoder
from model.protocols import HalfArray
from model.vector_cache import TextCache

MAX_TOKENS = 64  # of a description: its first sentence or two
FEW = 32  # texts that are encoded in less time than the cache's keys take to read
RECIPE = "p1"  # part of the version: change it when channel texts or vectors are made differently


class EntityEncoder:
    """Makes channel vectors of entities, with a cache on disk.

    Attributes:
        model_version: names the encoder and the recipe; vectors of two versions must not be mixed.
    """

    def __init__(self, encoder: Encoder, cache: Path) -> None:
        self._encoder = encoder
        self._cache = TextCache(encoder, cache, MAX_TOKENS)
        self.model_version = payload_version(encoder)

    def title_text(self, entity_id: str, label: str) -> str:
        """Return the text of the title channel; see `title_text`."""
        return title_text(entity_id, label)

    def encode(self, texts: list[str], progress: Callable[[int], None]) -> HalfArray:
        """Return one unit vector a text (texts x 384); see `TextCache.vectors`."""
        return self._cache.vectors(texts, progress)

    def embed(self, texts: Sequence[str]) -> HalfArray:
        """Return one unit vector a text (texts x 384); a few are encoded at once, without a look into the cache."""
        if len(texts) > FEW:
            return self._cache.vectors(texts)
        return self._encoder.embed(texts, MAX_TOKENS).astype(np.float16)


def title_text(entity_id: str, label: str) -> str:
    """Return the label, or the id where that is the label with something that tells it from its namesakes.

    `Mercury_(planet)` is so much more than Mercury.
    """
    readable = entity_id.replace("_", " ")
    return readable if readable.startswith(label) else label


def payload_version(encoder: Encoder) -> str:
    """Return the version of the entity vectors that go with this encoder."""
    return f"{encoder.version}-{RECIPE}"
