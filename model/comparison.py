"""A candidate beside the others of its mention: what hidden units see of it, and of the answer "none of them".

Whether a prior of 0.3 is much depends on that of the others. So units see each feature twice: as it is, and how far it
is from what the linear model expects of the mention's entity.
"""

from __future__ import annotations

import numpy as np

from model.coherence import sums_by_group
from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.protocols import FloatArray, IntArray

CANDIDATE_SEEN = (*CANDIDATE_FEATURES, *(f"{name}_apart" for name in CANDIDATE_FEATURES))
NIL_SEEN = (*NIL_FEATURES, *(f"{name}_expected" for name in CANDIDATE_FEATURES))


def compare(
    mention: IntArray, scores: FloatArray, candidates: FloatArray, nil: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what units see of candidates (candidates x CANDIDATE_SEEN), and of NIL (mentions x NIL_SEEN).

    Args:
        mention: the mention of each candidate, ascending.
        scores: what the linear model alone makes of each candidate.
        candidates: candidates x CANDIDATE_FEATURES.
        nil: mentions x NIL_FEATURES.
    """
    best = np.full(len(nil), -np.inf, dtype=scores.dtype)
    np.maximum.at(best, mention, scores)
    likely = np.exp(scores - best[mention])
    likely /= np.bincount(mention, likely, minlength=len(nil))[mention]
    expected = sums_by_group(candidates * likely[:, None].astype(np.float32), mention, len(nil))
    apart = candidates - expected[mention]
    return np.concatenate([candidates, apart], axis=1), np.concatenate([nil, expected], axis=1)
