"""`namesake fit`: learn the feature scorer's weights from labelled documents and write them to a file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from model import mentions
from model.comparison import CANDIDATE_SEEN, NIL_SEEN
from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.fitting.ablations import HIDDEN_UNITS, blank, columns, unencoded
from model.fitting.collecting import Collected, FitError
from model.fitting.examples import Example
from model.fitting.interactions import fit_interactions
from model.fitting.linking import fit_linking
from model.fitting.logit import Array, Choices, fit_binary, fit_choices
from model.fitting.regression import named
from model.hidden_units import HiddenUnit
from model.link_evidence import LINK_FEATURES
from model.linker import Linker
from model.protocols import FloatArray
from model.scorer import FeatureScorer, probabilities

LOST_TO_NIL = 0.01  # share of right answers that may be given up for NIL
# Wikipedia links a name once, so its links are hardly ever short forms of a name before; that they mean something else
# then holds for links only.
NOT_NEGATIVE = ("short_form",)


@dataclass(frozen=True, slots=True)
class FitReport:
    """What fitting saw and reached: accuracy and expected calibration error on the held-out pages, F1 of detection."""

    documents: int
    mentions: int
    held_out_mentions: int
    held_out_accuracy: float
    held_out_calibration_error: float
    detection_f1: float
    weights: dict[str, object] = field(repr=False)

    def summary(self) -> str:
        """Say in a few lines what fitting reached."""
        return (
            f"{self.documents:,} documents, {self.mentions:,} mentions, {self.held_out_mentions:,} of them held out\n"
            f"held out: {self.held_out_accuracy:.1%} right (a third of the entities were taken for absent), "
            f"calibration error {self.held_out_calibration_error:.3f}\n"
            f"detection and linking of the exhaustive documents, five-fold: F1 {self.detection_f1:.3f}"
        )


def untrained() -> dict[str, object]:
    """Return weights of zero, to start fitting from."""
    return {
        "version": "untrained",
        "candidate": dict.fromkeys(CANDIDATE_FEATURES, 0.0),
        "nil": dict.fromkeys(NIL_FEATURES, 0.0),
        "mention": dict.fromkeys(mentions.FEATURES, 0.0),
        "together": [],
        "nil_together": [],
        "mention_together": [],
        "link": dict.fromkeys(LINK_FEATURES, 0.0),
        "calibration": {"slope": 1.0, "offset": 0.0, "nil_threshold": 1.0, "threshold": 0.0},
    }


def learn(linker: Linker, collected: Collected, version: str, seed: int, without: Collection[str] = ()) -> FitReport:
    """Fit ranking, NIL, calibration, and when to answer.

    Args:
        version: name of the weights.
        without: groups of `model.fitting.ablations.GROUPS`, whose features get a weight of zero.

    Raises:
        FitError: no answer that was kept for the calibration is right.
    """
    parts = (collected.kept, collected.marked, collected.held_out)
    kept, marked, held_out = ([blank(example, without) for example in part] for part in parts)
    ranking = _fit_ranking([*kept, *marked, *unencoded([*kept, *marked])], seed, without)
    weights = untrained() | {"version": version} | ranking | collected.detection.named(mentions.FEATURES, "mention")
    calibration, accuracy, error = _calibrate(held_out, FeatureScorer(weights))
    weights["calibration"] = {**calibration, "threshold": 0.0}
    fitted = Linker(linker.encoder, linker.source, linker.store, FeatureScorer(weights))
    linking = fit_linking(fitted, collected, seed, columns(without, LINK_FEATURES))
    weights["link"] = named(LINK_FEATURES, linking.weights)
    weights["calibration"] = {**calibration, "threshold": linking.threshold}
    held_out_mentions = sum(int(example.counts.sum()) for example in held_out)
    return FitReport(
        documents=collected.documents,
        mentions=sum(int(example.counts.sum()) for example in kept) + held_out_mentions,
        held_out_mentions=held_out_mentions,
        held_out_accuracy=accuracy,
        held_out_calibration_error=error,
        detection_f1=linking.f1,
        weights=weights,
    )


def save(weights: dict[str, object], path: Path) -> None:
    """Write weights as readable JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(weights, option=orjson.OPT_INDENT_2) + b"\n")


def _fit_ranking(made: Sequence[Example], seed: int, without: Collection[str]) -> dict[str, object]:
    """Fit one weight a candidate feature and one a NIL feature, and the hidden units."""
    split = len(CANDIDATE_FEATURES)
    choices = _choices(made)
    not_negative = [CANDIDATE_FEATURES.index(name) for name in NOT_NEGATIVE]
    linear = fit_choices(choices, not_negative=not_negative)
    units: tuple[list[HiddenUnit], list[HiddenUnit]] = [], []
    if HIDDEN_UNITS not in without:
        unseen = [*not_negative, *columns(without)]
        units = fit_interactions(choices, linear, unseen, columns(without, NIL_FEATURES), seed)
    return {
        "candidate": named(CANDIDATE_FEATURES, linear[:split]),
        "nil": named(NIL_FEATURES, linear[split:]),
        "together": [unit.named(CANDIDATE_SEEN) for unit in units[0]],
        "nil_together": [unit.named(NIL_SEEN) for unit in units[1]],
    }


def _choices(made: Sequence[Example]) -> Choices:
    """Return what each mention chooses among: its candidates, and NIL as the last."""
    split = len(CANDIDATE_FEATURES)
    values: list[FloatArray] = []
    groups: list[int] = []
    chosen: list[int] = []
    count = 0
    for example in made:
        bounds = np.searchsorted(example.table.mention, np.arange(example.table.mentions + 1))
        for mention in np.flatnonzero(example.counts).tolist():
            rows = example.values.candidates[bounds[mention] : bounds[mention + 1]]
            block = np.zeros((len(rows) + 1, split + len(NIL_FEATURES)), dtype=np.float32)
            block[:-1, :split] = rows
            block[-1, split:] = example.values.nil[mention]
            gold = int(example.gold[mention])
            chosen.append(count + (len(rows) if gold < 0 else gold - int(bounds[mention])))
            groups.extend([len(chosen) - 1] * len(block))
            values.append(block)
            count += len(block)
    stacked = np.concatenate(values).astype(np.float64)
    return Choices(stacked, np.array(groups), np.array(chosen), np.ones(len(chosen)))


def _calibrate(made: Sequence[Example], scorer: FeatureScorer) -> tuple[dict[str, float], float, float]:
    """Fit Platt scaling (Platt, 1999) of the best candidate's probability, and from where on NIL is answered.

    Returns:
        Slope and offset of the scaling and the threshold for NIL, the accuracy, and the calibration error that is left.
    """
    outcomes = np.concatenate([_outcomes(example, scorer) for example in made]).astype(np.float64)
    probability, right, nil = np.clip(outcomes[:, 0], 1e-6, 1 - 1e-6), outcomes[:, 1], outcomes[:, 2]
    if not right.any():
        raise FitError(
            f"None of the {len(right)} answers kept for calibration is right",
            "give more documents with mentions whose entities the knowledge base has",
        )
    odds = np.log(probability / (1 - probability))
    slope, offset = fit_binary(np.column_stack([odds, np.ones_like(odds)]), right, np.ones_like(right), ridge=1e-3)
    confidence = 1 / (1 + np.exp(-(slope * odds + offset)))
    fitted = {
        "slope": float(slope),
        "offset": float(offset),
        "nil_threshold": float(np.quantile(nil[right > 0], 1 - LOST_TO_NIL)),
    }
    return fitted, float(right.mean()), _calibration_error(confidence, right)


def _outcomes(example: Example, scorer: FeatureScorer) -> FloatArray:
    """Return for each mention with candidates: its best one's probability, whether that is right, NIL's probability."""
    scores = scorer.score(example.table, example.values)
    mention = example.table.mention
    probability, nil = probabilities(mention, scores)
    best = np.zeros(example.table.mentions, dtype=np.float32)
    np.maximum.at(best, mention, probability)
    right = np.zeros(example.table.mentions, dtype=np.float32)
    is_gold = np.arange(len(probability)) == example.gold[mention]
    np.maximum.at(right, mention, ((probability == best[mention]) & is_gold).astype(np.float32))
    has_any = np.bincount(mention, minlength=example.table.mentions) > 0
    return np.column_stack([best, right, nil])[has_any & example.counts]


def _calibration_error(confidence: Array, right: Array, bins: int = 15) -> float:
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs((confidence - right)[which == index].sum()) for index in range(bins)]
    return float(sum(gaps) / len(right))
