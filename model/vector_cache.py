"""Vectors that were computed once, kept on disk by the hash of what they were computed from.

Encoding is the slow part of building a snapshot. The cache makes it resumable (what was encoded before an interruption
is found again) and cheap to repeat (only what changed is encoded).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from model.encoder import Encoder
from model.encoder_weights import HIDDEN_SIZE
from model.protocols import FloatArray, HalfArray

KeyArray = npt.NDArray[np.uint64]
PositionArray = npt.NDArray[np.integer[Any]]
BLOCK = 1024  # vectors computed and written at a time: about a second of work on two cores
ROW_BYTES = HIDDEN_SIZE * 2


class VectorCache:
    """Vectors (float16, 384 dimensions) in a folder, by the hash of what each was computed from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)

    def vectors(
        self,
        keys: KeyArray,
        compute: Callable[[PositionArray], FloatArray],
        order: Sequence[int],
        progress: Callable[[int], None] | None = None,
    ) -> HalfArray:
        """Return one vector a key (keys x 384), computing those that are not there.

        Args:
            keys: see `key_of`.
            compute: takes positions in `keys` and returns their vectors.
            order: a number for each key; those with the least are computed first.
            progress: called with the number of keys done since the last call.

        Raises:
            OSError: the disk is full; what was computed before stays usable.
        """
        # Not locked while it computes: a few must not wait for a million of another knowledge base. What two compute
        # at the same time is there twice then, which changes nothing.
        lock = FileLock(self._folder / "lock")
        with lock:
            known = self._known()
        unique, first = np.unique(keys, return_index=True)
        missing = first[~np.isin(unique, known)]
        if progress:
            progress(len(keys) - len(missing))
        missing = missing[np.argsort([order[position] for position in missing], kind="stable")]
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            computed = compute(block)
            with lock:
                self._append(keys[block], computed.astype(np.float16))
            if progress:
                progress(len(block))
        with lock:
            return self._read(keys)

    def _known(self) -> KeyArray:
        """Return the keys on disk in row order."""
        return np.fromfile(self._keys, dtype=np.uint64) if self._mend() else np.zeros(0, dtype=np.uint64)

    def _mend(self) -> int:
        """Cut off a row that an interruption left half written; return how many there are."""
        rows = min(_size(self._keys) // 8, _size(self._vectors) // ROW_BYTES)
        for path, width in ((self._keys, 8), (self._vectors, ROW_BYTES)):
            if _size(path) != rows * width:
                os.truncate(path, rows * width)
        return rows

    def _append(self, keys: KeyArray, vectors: HalfArray) -> None:
        self._mend()
        with self._vectors.open("ab") as file:
            file.write(vectors.tobytes())
        with self._keys.open("ab") as file:
            file.write(keys.tobytes())

    def _read(self, keys: KeyArray) -> HalfArray:
        if not len(keys):
            return np.zeros((0, HIDDEN_SIZE), dtype=np.float16)
        known = self._known()
        order = np.argsort(known)
        rows = order[np.searchsorted(known, keys, sorter=order)]
        stored = np.memmap(self._vectors, dtype=np.float16, mode="r", shape=(len(known), HIDDEN_SIZE))
        return np.asarray(stored[rows])

    @property
    def _keys(self) -> Path:
        return self._folder / "keys.bin"

    @property
    def _vectors(self) -> Path:
        return self._folder / "vectors.bin"


class TextCache:
    """Sentence vectors by text: unit length, of one encoder version and one length limit."""

    def __init__(self, encoder: Encoder, folder: Path, max_tokens: int) -> None:
        self._encoder = encoder
        self._max_tokens = max_tokens
        self._cache = VectorCache(folder / f"{encoder.version}-{max_tokens}")

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> HalfArray:
        """Return one unit vector a text (texts x 384); see `VectorCache.vectors`."""

        def embedded(block: PositionArray) -> FloatArray:
            return self._encoder.embed([texts[position] for position in block], self._max_tokens)

        # Texts of like length together keep the threads evenly busy.
        lengths = [len(text) for text in texts]
        return self._cache.vectors(np.array([*map(key_of, texts)], dtype=np.uint64), embedded, lengths, progress)


def key_of(text: str) -> int:
    """Return the key of what is computed from a text: 64 bits of its blake2b hash."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
