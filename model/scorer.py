"""The scorer: from features to scores, from scores to calibrated confidences.

This one is a conditional logit over interpretable features with the answer NIL beside the candidates, and hidden units
for what features say only together, and beside those of the other candidates. Any other model that implements `Scorer`
can take its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import orjson

from model import mentions
from model.candidates import CandidateTable
from model.comparison import CANDIDATE_SEEN, NIL_SEEN, compare
from model.features import CANDIDATE_FEATURES, NIL_FEATURES, FeatureTable
from model.hidden_units import HiddenUnits, in_order
from model.link_evidence import LINK_FEATURES, LinkEvidence
from model.manifest import FOLDER, check_file
from model.protocols import FloatArray, IntArray

CONTRIBUTIONS = (*CANDIDATE_FEATURES, "together")
CALIBRATION = ("slope", "offset", "nil_threshold", "threshold")
WEIGHTS = FOLDER / "features.json"


@dataclass(frozen=True, slots=True)
class Scores:
    """A document's scored candidates.

    Attributes:
        raw: the score of each candidate.
        nil: the score of NIL for each mention, on the same scale.
        contributions: what each feature added to each candidate's score (candidates x features), or None.
        names: the names of those features.
    """

    raw: FloatArray
    nil: FloatArray
    contributions: FloatArray | None
    names: tuple[str, ...]


class Scorer(Protocol):
    """Ranks candidates."""

    @property
    def version(self) -> str:
        """Name of the model, as answers show it."""
        ...

    def score(self, table: CandidateTable, features: FeatureTable) -> Scores:
        """Score a document's candidates and NIL."""
        ...

    def mention_scores(self, cues: FloatArray) -> FloatArray:
        """Return the probability that each span is a mention."""
        ...

    def calibrate(self, probability: FloatArray) -> FloatArray:
        """Turn softmax probabilities into calibrated confidences."""
        ...

    def link_confidence(self, evidence: LinkEvidence) -> FloatArray:
        """Return the probability that each found mention is one and means its best candidate."""
        ...

    @property
    def nil_threshold(self) -> float:
        """The probability of NIL above which a given mention is answered with NIL."""
        ...

    @property
    def threshold(self) -> float:
        """The least confidence with which a found mention is answered with an entity."""
        ...


class ScorerError(RuntimeError):
    """The scorer's weights cannot be used."""


class FeatureScorer:
    """The fitted scorer: one weight a feature, and hidden units for what they say together."""

    def __init__(self, weights: Mapping[str, object]) -> None:
        self._candidate = in_order(weights, "candidate", CANDIDATE_FEATURES)
        self._nil = in_order(weights, "nil", NIL_FEATURES)
        self._cues = in_order(weights, "mention", mentions.FEATURES)
        self._link = in_order(weights, "link", LINK_FEATURES)
        self._together = HiddenUnits(weights, "together", CANDIDATE_SEEN)
        self._nil_together = HiddenUnits(weights, "nil_together", NIL_SEEN)
        self._cues_together = HiddenUnits(weights, "mention_together", mentions.FEATURES)
        self._slope, self._offset, self.nil_threshold, self.threshold = map(
            float, in_order(weights, "calibration", CALIBRATION)
        )
        if self._slope <= 0:
            raise ValueError(f"the slope of the calibration is {self._slope}: more likely must not mean less sure")
        self.version = str(weights["version"])

    def score(self, table: CandidateTable, features: FeatureTable) -> Scores:
        """Score a document's candidates and NIL."""
        contributions = np.zeros((len(features.candidates), len(CONTRIBUTIONS)), dtype=np.float32)
        contributions[:, :-1] = features.candidates * self._candidate
        linear = contributions.sum(axis=1)
        candidates_seen, nil_seen = compare(table.mention, linear, features.candidates, features.nil)
        contributions[:, -1] = self._together.sums(candidates_seen)
        nil = _weighted(features.nil, self._nil) + self._nil_together.sums(nil_seen)
        return Scores(linear + contributions[:, -1], nil, contributions, CONTRIBUTIONS)

    def mention_scores(self, cues: FloatArray) -> FloatArray:
        """Return the probability that each span (cues: spans x model.mentions.FEATURES) is a mention."""
        return _sigmoid(_weighted(cues, self._cues) + self._cues_together.sums(cues))

    def link_confidence(self, evidence: LinkEvidence) -> FloatArray:
        """Return the probability that each found mention is one and means its best candidate."""
        return _sigmoid(_weighted(evidence.values(), self._link))

    def calibrate(self, probability: FloatArray) -> FloatArray:
        """Turn softmax probabilities into calibrated confidences (Platt scaling of their log odds)."""
        clipped = np.clip(probability, 1e-6, 1 - 1e-6)
        return _sigmoid(self._slope * np.log(clipped / (1 - clipped)) + self._offset)


def load_scorer(path: Path = WEIGHTS) -> FeatureScorer:
    """Load fitted weights.

    Raises:
        ScorerError: the file is missing, damaged, or was fitted for other features.
        ModelFilesError: it is the shipped file, and not as `weights/manifest.json` says.
    """
    check_file(path)
    try:
        return FeatureScorer(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        raise ScorerError(f"{path} is missing: fit it with `namesake fit`") from None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ScorerError(f"{path} cannot be used ({error}): fit it again with `namesake fit`") from error


@dataclass(frozen=True, slots=True)
class SingleFeatureScorer:
    """A baseline that ranks by one feature alone and has no idea of NIL beyond an empty candidate list."""

    version: str
    feature: str
    fitted: FeatureScorer
    scale: float
    nil_threshold: float = 0.999

    @property
    def threshold(self) -> float:
        """As of the fitted scorer."""
        return self.fitted.threshold

    def score(self, table: CandidateTable, features: FeatureTable) -> Scores:
        """Score by the one feature; NIL wins only where there are no candidates."""
        column = features.candidates[:, CANDIDATE_FEATURES.index(self.feature)]
        return Scores(column * self.scale, np.full(table.mentions, -20.0, dtype=np.float32), None, ())

    def mention_scores(self, cues: FloatArray) -> FloatArray:
        """As the fitted scorer does."""
        return self.fitted.mention_scores(cues)

    def link_confidence(self, evidence: LinkEvidence) -> FloatArray:
        """Take being a mention and meaning the candidate for independent of each other."""
        return evidence.mention_scores * evidence.confidence

    def calibrate(self, probability: FloatArray) -> FloatArray:
        """Leave probabilities as they are."""
        return probability


def probabilities(mention: IntArray, scores: Scores) -> tuple[FloatArray, FloatArray]:
    """Softmax over each mention's candidates and NIL: probabilities of candidates, and of NIL for each mention."""
    best = scores.nil.copy()
    np.maximum.at(best, mention, scores.raw)
    candidates = np.exp(scores.raw - best[mention])
    nil = np.exp(scores.nil - best)
    sums = nil.copy()
    np.add.at(sums, mention, candidates)
    return candidates / sums[mention], nil / sums


def _weighted(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum each row's weighted values; a product of matrices would round a row as it happens to suit the other rows."""
    return np.asarray((rows * weights).sum(axis=1), dtype=np.float32)


def _sigmoid(values: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), dtype=np.float32)  # beyond, float32 has no more
