"""Whether the confidence is a probability, and whether it knows when the answer is wrong.

* Expected calibration error (Naeini et al., 2015): the mean over bins of |accuracy - mean confidence|, weighted by bin
  size. 15 bins of equal width, the lower bound exclusive, as in Guo et al. (2017); and, as most confidences are high,
  15 bins of equal mass as in Nixon et al. (2019).
* Risk and coverage (Geifman and El-Yaniv, 2017): answer only the most confident share; risk is the share of errors in
  it. AURC is the mean risk over all coverages.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import fsum

import numpy as np
import numpy.typing as npt

from model.evaluation.judging import Answer
from model.evaluation.scores import Calibration, ReliabilityBin, RiskPoint, Selective

BINS = 15
RISK_POINTS = 100

Floats = npt.NDArray[np.float64]


def calibration(answers: Sequence[Answer]) -> Calibration:
    """Compare confidences with how often the answers were right."""
    confidence, correct = _arrays(answers)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    equal_width = reliability(confidence, correct, edges)
    equal_mass = reliability(confidence, correct, equal_mass_edges(confidence))
    return Calibration(len(answers), _ece(equal_width), _ece(equal_mass), tuple(equal_width))


def reliability(confidence: Floats, correct: Floats, edges: Floats) -> list[ReliabilityBin]:
    """Sort answers into bins (low, high]; what lies at or below the first edge goes into the first bin."""
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)
    bins = []
    for index, (low, high) in enumerate(pairwise(edges)):
        inside = place == index
        count = int(inside.sum())
        means = (fsum(confidence[inside]) / count, fsum(correct[inside]) / count) if count else (None, None)
        bins.append(ReliabilityBin(float(low), float(high), count, *means))
    return bins


def equal_mass_edges(confidence: Floats) -> Floats:
    """Return edges that put equally many answers into each bin.

    Equal confidences stay together: splitting them would make the number depend on the order of documents. So there may
    be fewer bins than asked for.
    """
    if not len(confidence):
        return np.array([0.0, 1.0])
    ranked = np.sort(confidence)
    last = np.ceil(np.arange(1, BINS + 1) * len(ranked) / BINS).astype(int) - 1
    return np.unique(np.concatenate(([-1.0], ranked[last])))  # -1: below every confidence, so none is on the first edge


def _ece(bins: Sequence[ReliabilityBin]) -> float | None:
    total = sum(b.count for b in bins)
    if not total:
        return None
    gaps = (
        b.count * abs(b.accuracy - b.confidence) for b in bins if b.accuracy is not None and b.confidence is not None
    )
    return fsum(gaps) / total


def selective(answers: Sequence[Answer]) -> Selective:
    """Compute risk against coverage.

    Where several answers have the same confidence, which of them comes first is chance; the expected number of errors
    is taken, so that the order of documents does not matter.
    """
    if not answers:
        return Selective(None, ())
    confidence, correct = _arrays(answers)
    levels, inverse = np.unique(-confidence, return_inverse=True)
    sizes = np.bincount(inverse)
    wrong = np.bincount(inverse, weights=1.0 - correct)
    ends = np.concatenate(([0], np.cumsum(sizes)))
    taken = np.arange(1, len(answers) + 1)
    risk = np.interp(taken, ends, np.concatenate(([0.0], np.cumsum(wrong)))) / taken
    shown = np.unique(np.ceil(np.linspace(1, len(answers), min(RISK_POINTS, len(answers)))).astype(int))
    level = np.searchsorted(ends[1:], shown, side="left")
    points = (
        RiskPoint(float(n / len(answers)), float(risk[n - 1]), float(-levels[at]))
        for n, at in zip(shown, level, strict=True)
    )
    return Selective(float(risk.mean()), tuple(points))


def _arrays(answers: Sequence[Answer]) -> tuple[Floats, Floats]:
    return (
        np.array([answer.confidence for answer in answers], dtype=np.float64),
        np.array([answer.correct for answer in answers], dtype=np.float64),
    )
