"""The vector by which a mention looks for entities near to it in meaning.

It starts as the sum of what the text says of the mention, and a small network adds what training found to be missing
(a bi-encoder whose entity side stays as it is: Wu et al., 2020). So one snapshot serves every version of the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.special import erf

from model.encoder import unit
from model.encoder_weights import HIDDEN_SIZE
from model.mention_vectors import VIEWS, MentionVectors, mention_views
from model.protocols import EntityStore, FloatArray, IntArray
from model.windows import EncodedText

HIDDEN = 512
BLOCK = 8  # mentions at a time: products of equal shape are rounded alike, whatever else is in the text
SHAPES = {
    "inner.weight": (HIDDEN, VIEWS * HIDDEN_SIZE),
    "inner.bias": (HIDDEN,),
    "outer.weight": (HIDDEN_SIZE, HIDDEN),
    "outer.bias": (HIDDEN_SIZE,),
}


@dataclass(frozen=True, slots=True)
class QueryHead:
    """The network, by the names in `SHAPES`."""

    weights: Mapping[str, FloatArray]

    def queries(self, encoded: EncodedText, vectors: MentionVectors) -> FloatArray:
        """Return unit vectors (mentions x 384)."""
        plain = vectors.plain_query()
        views = mention_views(encoded, vectors).reshape(len(plain), -1)
        return unit(plain + self._learned(views))

    def _learned(self, views: FloatArray) -> FloatArray:
        count = len(views)
        padded = np.zeros((-(-count // BLOCK) * BLOCK, views.shape[1]), dtype=np.float32)
        padded[:count] = views
        result = np.empty((len(padded), HIDDEN_SIZE), dtype=np.float32)
        for start in range(0, len(padded), BLOCK):
            rows = padded[start : start + BLOCK]
            inner = rows @ self.weights["inner.weight"].T + self.weights["inner.bias"]
            active = inner * (0.5 + 0.5 * erf(inner / np.sqrt(np.float32(2))))
            result[start : start + BLOCK] = active @ self.weights["outer.weight"].T + self.weights["outer.bias"]
        return result[:count]


PLAIN = QueryHead({name: np.zeros(shape, dtype=np.float32) for name, shape in SHAPES.items()})
"""The head before training: it adds nothing."""


def load_query_head(path: Path, sha256: str) -> QueryHead:
    """Read the network's weights.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, holds another network, or is not the one with this hash.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file that the weights were fitted with")
    try:
        weights = load(content)
    except SafetensorError as error:
        raise ValueError(f"{path.name}: {error}") from error
    shapes = {name: array.shape for name, array in weights.items()}
    if shapes != SHAPES:
        raise ValueError(f"{path.name}: the shapes of its arrays are {shapes}, not {SHAPES}")
    return QueryHead({name: array.astype(np.float32) for name, array in weights.items()})


def packed(head: QueryHead) -> bytes:
    """Return a trained network as a file's content, in half precision: what it loses is less than the index loses."""
    return save({name: np.ascontiguousarray(head.weights[name].astype(np.float16)) for name in SHAPES})


def retrieval_vectors(ordinals: IntArray, store: EntityStore) -> FloatArray:
    """Return the unit vectors (ordinals x 384) by which entities are found: title and description together."""
    vectors = store.titles(ordinals)
    descriptions, described = store.descriptions(ordinals)
    vectors[described] += descriptions[described]
    return unit(vectors)
