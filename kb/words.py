"""The content words of a text, as the index knows them: what an entity's texts and a document have in common."""

from __future__ import annotations

import re
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt

from kb.normalise import normalise

HashArray = npt.NDArray[np.uint32]

WORD = re.compile(r"[^\W_]{2,}")
STEM = 4  # letters from which on a plural's s is taken off


def word_hashes(text: str) -> HashArray:
    """Return the distinct words of a text, sorted, as 32-bit hashes."""
    return np.array(sorted({_word_hash(word) for word in WORD.findall(text)}), dtype=np.uint32)


def placed_word_hashes(text: str) -> tuple[HashArray, npt.NDArray[np.int32]]:
    """Return the words of a text in its order as hashes, and the code points at which they start."""
    found = [(_word_hash(match.group()), match.start()) for match in WORD.finditer(text)]
    return np.array([word for word, _ in found], dtype=np.uint32), np.array([at for _, at in found], dtype=np.int32)


def found_rows(known: HashArray, hashes: HashArray) -> npt.NDArray[np.int32]:
    """Return where each of `hashes` stands in the sorted `known`, -1 for those that are not there."""
    if not len(known):
        return np.full(len(hashes), -1, dtype=np.int32)
    rows = np.minimum(np.searchsorted(known, hashes), len(known) - 1).astype(np.int32)
    return np.where(known[rows] == hashes, rows, -1).astype(np.int32)


@lru_cache(maxsize=200_000)
def _word_hash(word: str) -> int:
    """Hash a word; a plural counts as its singular."""
    plain = normalise(word)
    if len(plain) >= STEM and plain.endswith("s") and not plain.endswith("ss"):
        plain = plain[:-1]
    return crc32(plain.encode("utf-8", "surrogatepass"))
