"""What speaks for and against answering a found mention with its best candidate.

Whether a stretch of a text names something, which candidate it would be, and whether the KB has what is meant at all
bear on each other: a name that stands inside a longer one, say, and whose best candidate is called otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model import mentions
from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.mentions import Spans
from model.prepared import Prepared
from model.protocols import FloatArray

RowArray = npt.NDArray[np.integer[Any]]

LINK_FEATURES = (
    "mention_log_odds",
    "confidence_log_odds",
    "nil_log_odds",
    *mentions.FEATURES,
    *CANDIDATE_FEATURES,
    *NIL_FEATURES[1:],  # without the constant: the cues have one
)
SUREST = 1e-4  # probabilities nearer to 0 or 1 say no more than this


@dataclass(frozen=True, slots=True)
class LinkEvidence:
    """Found mentions, each with its best candidate.

    Attributes:
        mention_scores: probability that each is a mention.
        confidence: calibrated probability of its best candidate, if it is one.
        nil: probability that the KB does not have what it means.
        cues: of the mentions (mentions x `model.mentions.FEATURES`).
        best: features of their best candidates (mentions x CANDIDATE_FEATURES).
        nil_features: mentions x NIL_FEATURES.
    """

    mention_scores: FloatArray
    confidence: FloatArray
    nil: FloatArray
    cues: FloatArray
    best: FloatArray
    nil_features: FloatArray

    @classmethod
    def of(
        cls, prepared: Prepared, mention: RowArray, best: RowArray, confidence: FloatArray, nil: FloatArray
    ) -> LinkEvidence:
        """Gather the evidence on found mentions.

        Args:
            prepared: their documents.
            mention: which of all mentions they are.
            best: the row of each one's best candidate.
            confidence: of all candidates.
            nil: of all mentions.
        """
        spans = [each.spans for each in prepared.documents]
        return cls(
            mention_scores=np.concatenate([each.scores for each in spans])[mention],
            confidence=confidence[best],
            nil=nil[mention],
            cues=np.concatenate([_cues(each) for each in spans])[mention],
            best=prepared.features.candidates[best],
            nil_features=prepared.features.nil[mention],
        )

    def values(self) -> FloatArray:
        """Return the evidence as numbers (mentions x LINK_FEATURES)."""
        odds = [log_odds(probability) for probability in (self.mention_scores, self.confidence, self.nil)]
        parts = [np.stack(odds, axis=1), self.cues, self.best, self.nil_features[:, 1:]]
        return np.concatenate(parts, axis=1).astype(np.float32)


def log_odds(probability: FloatArray) -> FloatArray:
    """Return log odds of probabilities, within what `SUREST` allows."""
    clipped = np.clip(probability.astype(np.float64), SUREST, 1 - SUREST)
    return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float32)


def _cues(spans: Spans) -> FloatArray:
    """Return the cues of mentions; given ones, which stand among those that were found, have none."""
    return np.zeros((len(spans.starts), len(mentions.FEATURES)), np.float32) if spans.cues is None else spans.cues
