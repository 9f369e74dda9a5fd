"""The reference: the ONNX Runtime session alone, over sequences that are tokenised already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from model.encoder import CLS, SEP, Encoder
from model.encoder_weights import ONNX_RECIPE

Feed = dict[str, npt.NDArray[np.int64]]


class BareEncoder:
    """Runs the int8 graph over wordpiece ids, each sequence alone, in as many threads as the service's encoder.

    Nothing else happens: inputs are made beforehand, outputs are thrown away.

    Args:
        encoder: the service's encoder; a home may have graphs of others, too.
    """

    def __init__(self, home: Path, encoder: Encoder, threads: int | None = None) -> None:
        weights = encoder.version.removesuffix("-int8")
        graph = home / "cache" / "encoder" / f"{weights}-{ONNX_RECIPE}" / "int8.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._pool = ThreadPoolExecutor(threads or len(os.sched_getaffinity(0)))

    def run(self, feeds: Sequence[Feed]) -> None:
        """Encode all sequences."""
        for _ in self._pool.map(self.run_one, feeds):
            pass

    def run_one(self, feed: Feed) -> None:
        """Encode one sequence, in this thread."""
        self._session.run(["hidden"], feed)


def feeds(sequences: Sequence[Sequence[int]]) -> list[Feed]:
    """Return the graph's inputs for wordpiece ids."""
    rows = [np.array([[CLS, *sequence, SEP]], dtype=np.int64) for sequence in sequences]
    return [{"input_ids": row, "attention_mask": np.ones_like(row)} for row in rows]


def sequences_of(encoder: Encoder, texts: Sequence[str], longest: int = 254) -> list[list[int]]:
    """Return the texts' wordpieces, cut wherever a sequence is full: each wordpiece once, no overlap."""
    return [
        piece.ids[start : start + longest]
        for piece in encoder.wordpieces(texts)
        for start in range(0, len(piece.ids), longest)
    ]
