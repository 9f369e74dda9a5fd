"""Sentence vectors of KB texts, computed once and kept on disk by the text's hash.

Encoding is the slow part of building a snapshot. The cache makes it resumable (what was encoded before an interruption
is found again) and cheap to repeat (only texts that changed are encoded).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from model.encoder import Encoder
from model.encoder_weights import HIDDEN_SIZE

HalfArray = npt.NDArray[np.float16]
KeyArray = npt.NDArray[np.uint64]
BLOCK = 1024  # texts encoded and written at a time: about a second of work on two cores
ROW_BYTES = HIDDEN_SIZE * 2


class TextCache:
    """Vectors by text: unit length, float16, 384 dimensions, of one encoder version and one length limit."""

    def __init__(self, encoder: Encoder, folder: Path, max_tokens: int) -> None:
        self._encoder = encoder
        self._max_tokens = max_tokens
        self._folder = folder / f"{encoder.version}-{max_tokens}"
        self._folder.mkdir(parents=True, exist_ok=True)

    def vectors(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> HalfArray:
        """Return one unit vector a text (texts x 384), encoding those that are not in the cache.

        `progress` is called with the number of texts done since the last call.

        Raises:
            OSError: the disk is full; what was encoded before stays usable.
        """
        keys = np.array([_key(text) for text in texts], dtype=np.uint64)
        # Not locked while it encodes: a few texts must not wait for a million of another knowledge base. What two
        # encode at the same time is there twice then, which changes nothing.
        lock = FileLock(self._folder / "lock")
        with lock:
            known = self._known()
        unique, first = np.unique(keys, return_index=True)
        missing = first[~np.isin(unique, known)]
        if progress:
            progress(len(texts) - len(missing))
        # Texts of like length together keep the threads evenly busy.
        missing = missing[np.argsort([len(texts[index]) for index in missing], kind="stable")]
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            vectors = self._encoder.embed([texts[index] for index in block], self._max_tokens)
            with lock:
                self._append(keys[block], vectors.astype(np.float16))
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


def _key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
