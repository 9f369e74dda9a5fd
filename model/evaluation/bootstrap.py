"""Confidence intervals and paired tests by resampling documents.

Documents are drawn with replacement, not mentions: mentions of one document are not independent. All systems are
scored on the same draws (paired), so a difference between two of them is not blurred by which documents were drawn.
Percentile intervals and the shifted test after Efron and Tibshirani (1993); for NLP see Berg-Kirkpatrick et al. (2012).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.evaluation.scores import Interval

RESAMPLES = 1000
_BLOCK_CELLS = 4_000_000  # draws held at once: bounds memory on corpora of many documents

Floats = npt.NDArray[np.float64]


def resampled_sums(counts: Floats, resamples: int, seed: int) -> Floats:
    """Sum columns over `resamples` random draws of as many documents as there are.

    Args:
        counts: documents x columns.

    Returns:
        resamples x columns.
    """
    documents = len(counts)
    if not documents:
        return np.zeros((resamples, counts.shape[1]))
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK_CELLS // documents)
    sums = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = generator.integers(0, documents, size=(size, documents))
        # How often each document was drawn, one row a resample: rows are told apart by shifting their numbers.
        shifted = (drawn + np.arange(size)[:, None] * documents).ravel()
        times = np.bincount(shifted, minlength=size * documents).reshape(size, documents)
        sums.append(times.astype(np.float64) @ counts)
    return np.concatenate(sums)


def ratios(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where a draw has nothing to divide by."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1.0), np.nan)


def interval(values: Floats) -> Interval | None:
    """Return the middle 95 % of the draws; None where no draw had a value."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(low), float(high))


def paired_p_value(difference: float, drawn: Floats) -> float:
    """Return the two-sided p of "no difference": how often draws, shifted to mean nothing, are at least as far from 0.

    One is added above and below, so p is never 0 and its least value is 1 / (draws + 1).
    """
    known = drawn[~np.isnan(drawn)]
    # A hair of tolerance: equal differences may differ in the last bit.
    extreme = np.abs(known - difference) >= abs(difference) - 1e-12
    return float((1 + extreme.sum()) / (1 + len(known)))
