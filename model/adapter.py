"""What training adds to the token encoder: low-rank changes of its matrices, and heads that read its vectors.

The changes (LoRA: Hu et al., 2022) are folded into the matrices when the encoder is opened, so that they cost nothing
afterwards. No part belongs to an entity or a type: what appears after training is found like the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from scipy.special import erf

from model.encoder_weights import HIDDEN_SIZE, EncoderWeightsError
from model.linear import linear
from model.manifest import FOLDER, check_file
from model.span_head import SPAN_SHAPES, SpanHead

FloatArray = npt.NDArray[np.float32]

SHIPPED = FOLDER / "encoder.safetensors"
ENCODER = "encoder_sha256"  # metadata: the weights that the changes belong to
HELD_OUT = ("pages", "exhaustive", "entities", "seed")  # metadata, too
LAYERS = 6
LINEAR = {  # of a layer: our names, the library's, and outputs x inputs
    "query": ("attention.self.query", HIDDEN_SIZE, HIDDEN_SIZE),
    "key": ("attention.self.key", HIDDEN_SIZE, HIDDEN_SIZE),
    "value": ("attention.self.value", HIDDEN_SIZE, HIDDEN_SIZE),
    "attention_output": ("attention.output.dense", HIDDEN_SIZE, HIDDEN_SIZE),
    "intermediate": ("intermediate.dense", 4 * HIDDEN_SIZE, HIDDEN_SIZE),
    "output": ("output.dense", HIDDEN_SIZE, 4 * HIDDEN_SIZE),
}
VIEWS = 5  # of a mention: its words, its surroundings, its window, its first and its last wordpiece
QUERY_HIDDEN = 512
QUERY_SHAPES = {
    "query.inner.weight": (QUERY_HIDDEN, VIEWS * HIDDEN_SIZE),
    "query.inner.bias": (QUERY_HIDDEN,),
    "query.outer.weight": (HIDDEN_SIZE, QUERY_HIDDEN),
    "query.outer.bias": (HIDDEN_SIZE,),
    "type.weight": (HIDDEN_SIZE, QUERY_HIDDEN),
    "type.bias": (HIDDEN_SIZE,),
}


@dataclass(frozen=True, slots=True)
class QueryHead:
    """Reads mentions: near to which entity each is, and near to the names of which types (mentions x 384 each)."""

    weights: Mapping[str, FloatArray]

    def read(self, views: FloatArray, plain: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return unit vectors to look for the entity with, and such for its types.

        Args:
            views: what is known of each mention (mentions x 5 x 384).
            plain: the unit vectors to look with when nothing was trained (mentions x 384).
        """
        inner = _gelu(self._linear("query.inner", views.reshape(len(views), -1)))
        return _unit(plain + self._linear("query.outer", inner)), _unit(self._linear("type", inner))

    def _linear(self, name: str, rows: FloatArray) -> FloatArray:
        return linear(rows, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a file of trained weights holds.

    Attributes:
        digest: hash of the tensors.
        held_out: shares of the pages, of the pages with every mention marked, and of the entities that training never
            saw, and its seed: what `model.training.split.Split` takes.
        low_rank: for each layer and matrix of `LINEAR` ("0.query") what is added to it, as two factors: b @ a.
    """

    digest: str
    held_out: Mapping[str, float]
    low_rank: Mapping[str, tuple[FloatArray, FloatArray]]
    query: QueryHead
    span: SpanHead


def read_adapter(path: Path, encoder_sha256: str) -> Adapter:
    """Read trained weights and check them.

    Args:
        encoder_sha256: the weights of the encoder that they are for.

    Raises:
        EncoderWeightsError: the file is missing or damaged, a tensor is missing, has another shape or holds what is no
            number, or the file belongs to another encoder.
        ModelFilesError: it is the shipped file, and not as `weights/manifest.json` says.
    """
    check_file(path)
    remedy = "Take the file that training wrote, or set NAMESAKE_ADAPTER=none for the encoder without training"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: np.asarray(file.get_tensor(name), dtype=np.float32) for name in file.keys()}  # noqa: SIM118
        held_out = {name: float(metadata[name]) for name in HELD_OUT}
        meant = metadata[ENCODER]
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise EncoderWeightsError(f"{path} cannot be read as trained weights ({error}). {remedy}") from None
    if meant != encoder_sha256:
        raise EncoderWeightsError(f"{path} was trained for the encoder {meant}, not {encoder_sha256}. {remedy}")
    for name, shape in (QUERY_SHAPES | SPAN_SHAPES | _low_rank_shapes(tensors)).items():
        found = tensors.get(name)
        if found is None or found.shape != shape or not np.isfinite(found).all():
            what = "is missing" if found is None else f"is {found.shape}" if found.shape != shape else "is no number"
            raise EncoderWeightsError(f"{path}: {name} {what}; {shape} numbers are needed. {remedy}")
    low_rank = {name: (tensors[f"adapter.{name}.a"], tensors[f"adapter.{name}.b"]) for name, _ in _matrices()}
    return Adapter(
        _digest(tensors),
        held_out,
        low_rank,
        QueryHead(_named(tensors, QUERY_SHAPES)),
        SpanHead(_named(tensors, SPAN_SHAPES)),
    )


def fold(encoder: Any, adapter: Adapter) -> None:
    """Add the changes to the matrices of a `transformers.BertModel`."""
    import torch

    with torch.no_grad():
        for name, path in _matrices():
            a, b = adapter.low_rank[name]
            weight = encoder.get_submodule(f"encoder.layer.{path}").weight
            weight += torch.from_numpy(b @ a).to(weight)


def _matrices() -> list[tuple[str, str]]:
    """Return our name and the library's of each matrix that is changed."""
    return [(f"{layer}.{name}", f"{layer}.{path}") for layer in range(LAYERS) for name, (path, _, _) in LINEAR.items()]


def _low_rank_shapes(tensors: Mapping[str, FloatArray]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all factors; each pair has a rank of its own."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        for name, (_, outputs, inputs) in LINEAR.items():
            key = f"adapter.{layer}.{name}"
            rank = len(tensors.get(f"{key}.a", ()))
            shapes |= {f"{key}.a": (rank, inputs), f"{key}.b": (outputs, rank)}
    return shapes


def _digest(tensors: Mapping[str, FloatArray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].tobytes())
    return digest.hexdigest()


def _named(tensors: Mapping[str, FloatArray], names: Mapping[str, object]) -> dict[str, FloatArray]:
    # Transposed in memory, as products with a few rows want them.
    return {name: np.asfortranarray(tensors[name]) for name in names}


def _gelu(values: FloatArray) -> FloatArray:
    return np.asarray(values * (0.5 + 0.5 * erf(values * np.float32(0.5**0.5))), dtype=np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
