"""The baseline `ned-base` (NED-Base of Orr et al., 2020): a vector learned for each entity, and no word about it.

It measures what structure adds: the same encoder, documents and candidates, but no descriptions, types, relations,
names or counts. An entity that training never saw has no vector, so that it cannot be told from another such one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from model.adapter import VIEWS
from model.encoder import Encoder
from model.encoder_weights import HIDDEN_SIZE
from model.features import CANDIDATE_FEATURES, NIL_FEATURES, FeatureTable
from model.linker import Linker
from model.mention_vectors import mention_views
from model.prepared import Mentioned, Prepared, gather
from model.protocols import CandidateSource, EntityStore, FloatArray, IntArray
from model.scorer import FeatureScorer, SingleFeatureScorer

NAME = "ned-base"
INPUT = VIEWS * HIDDEN_SIZE
SCORED = "meaning"  # the feature in whose place the dot products stand: nothing else is scored
TIE = 1e-4  # scores that are less apart are as good as equal

REMEDY = "train it with `namesake train`, entity_ids = true"


class NedBaseError(RuntimeError):
    """A file of ned-base cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class NedBase:
    """What training learned.

    Attributes:
        encoder: the version of the encoder whose vectors it reads.
        entities: ids of those that have a vector.
        vectors: entities x width.
        weight, bias: the projection of a mention's views (width x INPUT, width).
    """

    encoder: str
    entities: Sequence[str]
    vectors: FloatArray
    weight: FloatArray
    bias: FloatArray

    @property
    def digest(self) -> str:
        """Names what was learned."""
        return hashlib.sha256(self.vectors.tobytes() + self.weight.tobytes() + self.bias.tobytes()).hexdigest()[:8]


def save_ned_base(learned: NedBase, path: Path) -> None:
    """Write a file of ned-base, in half precision.

    Raises:
        OSError: the disk is full; a file that was there stays.
    """
    tensors = {name: getattr(learned, name).astype(np.float16) for name in ("vectors", "weight", "bias")}
    ids = np.frombuffer(orjson.dumps(list(learned.entities)), dtype=np.uint8)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(save(tensors | {"entities": ids}, {"encoder": learned.encoder}))
    unfinished.replace(path)


def read_ned_base(path: Path) -> NedBase:
    """Read what `save_ned_base` wrote.

    Raises:
        NedBaseError: the file is missing, damaged or something else.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            encoder = (file.metadata() or {})["encoder"]
            entities = orjson.loads(np.asarray(file.get_tensor("entities")).tobytes())
            vectors, weight, bias = (
                np.asarray(file.get_tensor(name), dtype=np.float32) for name in ("vectors", "weight", "bias")
            )
    except (OSError, SafetensorError, KeyError, orjson.JSONDecodeError) as error:
        raise NedBaseError(f"{path} cannot be read as a file of ned-base ({error}): {REMEDY}") from None
    width = len(bias)
    if vectors.shape != (len(entities), width) or weight.shape != (width, INPUT):
        raise NedBaseError(
            f"{path}: {len(entities)} entities, vectors {vectors.shape}, weight {weight.shape} and bias {bias.shape} "
            f"do not belong together: {REMEDY}"
        )
    return NedBase(encoder, entities, vectors, weight, bias)


class NedBaseLinker(Linker):
    """Links with ned-base; mentions are found as `fitted` finds them.

    Raises:
        NedBaseError: it was trained with another encoder.
    """

    def __init__(
        self, encoder: Encoder, source: CandidateSource, store: EntityStore, fitted: FeatureScorer, learned: NedBase
    ) -> None:
        version = f"{NAME}-{learned.digest}"
        super().__init__(encoder, source, store, SingleFeatureScorer(version, SCORED, fitted, 1.0))
        if learned.encoder != encoder.version:
            raise NedBaseError(
                f"It was trained with the encoder {learned.encoder}, this is {encoder.version}: {REMEDY}"
            )
        self._learned = learned
        found = [store.ordinal(entity) for entity in learned.entities]
        ordinals = np.array([-1 if ordinal is None else ordinal for ordinal in found], dtype=np.int64)
        self._order = np.argsort(ordinals, kind="stable")
        self._ordinals = ordinals[self._order]

    def prepare(self, documents: Sequence[Mentioned]) -> Prepared:
        """Generate candidates for the mentions of documents, and compute the dot products."""
        context = gather(documents, self.store, self.query_head)
        table = self.candidates(documents, context)
        edges = np.cumsum([0, *(len(each.spans.starts) for each in documents)]).tolist()
        views = np.concatenate(
            [
                mention_views(each.encoded, context.vectors.of_mentions(first, last))
                for each, first, last in zip(documents, edges, edges[1:], strict=False)
            ]
        )
        queries = views.reshape(len(views), INPUT) @ self._learned.weight.T + self._learned.bias
        values = np.zeros((len(table.ordinal), len(CANDIDATE_FEATURES)), dtype=np.float32)
        products = np.einsum("ij,ij->i", queries[table.mention], self._vectors(table.ordinal))
        values[:, CANDIDATE_FEATURES.index(SCORED)] = products + TIE * _drawn(table.ordinal)
        nothing = np.zeros((table.mentions, len(NIL_FEATURES)), dtype=np.float32)
        return Prepared(documents, context.surfaces, table, FeatureTable(values, nothing))

    def _vectors(self, ordinals: IntArray) -> FloatArray:
        """Return the learned vectors (ordinals x width), zero for entities without one."""
        at = np.minimum(np.searchsorted(self._ordinals, ordinals), len(self._ordinals) - 1)
        known = self._ordinals[at] == ordinals
        return np.asarray(self._learned.vectors[self._order[at]] * known[:, None], dtype=np.float32)


def _drawn(ordinals: IntArray) -> npt.NDArray[np.float64]:
    """Return a number from 0 to 1 for each entity, as good as drawn.

    Candidates come the most frequent first: without it, of entities that are not known the most frequent would win.
    """
    return (ordinals.astype(np.uint64) * np.uint64(2654435761) % np.uint64(2**32)).astype(np.float64) / 2**32
