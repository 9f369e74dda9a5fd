"""Precision, recall, F1, accuracy, candidate recall and slices from judged documents.

Sources: InKB strong match, micro and macro, after GERBIL (Usbeck et al., 2015); slices by training count after Bootleg
(Orr et al., 2020): unseen 0, tail 1 to 10, torso 11 to 1000, head above. "Ambiguous" is Bootleg's filter: gold mentions
whose gold is one of at least two candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum

from model.evaluation.judging import Judgement, Target
from model.evaluation.scores import (
    CandidateScores,
    DetectionScores,
    MacroScores,
    PrecisionRecall,
    Proportion,
    SliceScores,
    Sweep,
    ThresholdPoint,
)

SLICES: tuple[tuple[str, int, int | None], ...] = (
    ("unseen", 0, 0),
    ("tail", 1, 10),
    ("torso", 11, 1000),
    ("head", 1001, None),
)
RANKS = (1, 5, 10, 30)
SWEEP_STEPS = 50


def precision_recall(true_positives: int, predicted: int, gold: int) -> PrecisionRecall:
    """Compute the scores from counts; 0 where a denominator is 0."""
    precision = true_positives / predicted if predicted else 0.0
    recall = true_positives / gold if gold else 0.0
    # From counts, not from the two ratios: 2pr/(p+r) can exceed 1 by rounding.
    f1 = 2 * true_positives / (predicted + gold) if predicted + gold else 0.0
    return PrecisionRecall(precision, recall, f1, true_positives, predicted - true_positives, gold - true_positives)


def proportion(correct: int, total: int) -> Proportion:
    """Divide, unless there is nothing."""
    return Proportion(correct / total if total else None, correct, total)


def micro(judgements: Sequence[Judgement]) -> PrecisionRecall:
    """InKB strong match over all links and all in-KB gold of all documents."""
    return precision_recall(
        sum(j.links_right for j in judgements),
        sum(j.links_judged for j in judgements),
        sum(len(j.targets) for j in judgements),
    )


def macro(judgements: Sequence[Judgement]) -> MacroScores:
    """Return means over documents of precision, recall and F1.

    A document with links but no gold, or gold but no links, scores 0. One with neither says nothing and is left out
    (GERBIL gives it 1, which rewards a benchmark for its empty documents). Macro F1 is the mean of F1s.
    """
    scores = [
        precision_recall(j.links_right, j.links_judged, len(j.targets))
        for j in judgements
        if j.links_judged or j.targets
    ]
    # fsum rounds once, so the order of documents cannot show in the last digit.
    means = [_mean(values) for values in zip(*((s.precision, s.recall, s.f1) for s in scores), strict=True)]
    precision, recall, f1 = means or [0.0, 0.0, 0.0]
    return MacroScores(precision, recall, f1, len(scores), len(judgements) - len(scores))


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def detection(judgements: Sequence[Judgement]) -> DetectionScores:
    """Score the spans alone, links and NIL answers alike; each span counts once."""
    spans = precision_recall(
        sum(j.spans_right for j in judgements),
        sum(j.spans_judged for j in judgements),
        sum(j.spans_gold for j in judgements),
    )
    targets = _targets(judgements)
    return DetectionScores(spans, proportion(sum(t.answered for t in targets), len(targets)))


def nil(judgements: Sequence[Judgement]) -> PrecisionRecall | None:
    """Score NIL answers against gold outside the KB, by exact span; None where the benchmark has no such gold."""
    gold = sum(j.nil_gold for j in judgements)
    if not gold:
        return None
    return precision_recall(sum(j.nil_right for j in judgements), sum(j.nil_answered for j in judgements), gold)


def accuracy(judgements: Sequence[Judgement]) -> Proportion:
    """Right over all gold mentions whose entity is in the KB."""
    targets = _targets(judgements)
    return proportion(sum(t.correct for t in targets), len(targets))


def ambiguous_accuracy(judgements: Sequence[Judgement]) -> Proportion:
    """Right over the in-KB gold that is one of at least two candidates."""
    targets = [t for t in _targets(judgements) if t.ambiguous]
    return proportion(sum(t.correct for t in targets), len(targets))


def candidates(judgements: Sequence[Judgement]) -> CandidateScores:
    """Say where the gold stood among the candidates, over in-KB gold whose exact span was answered."""
    targets = [t for t in _targets(judgements) if t.answered]
    found_by = Counter(way for t in targets for way in t.found_by)
    total = len(targets)
    return CandidateScores(
        total,
        {str(k): proportion(sum(t.rank is not None and t.rank <= k for t in targets), total).value for k in RANKS},
        proportion(sum(t.rank is not None for t in targets), total).value,
        sum(t.candidates for t in targets) / total if total else None,
        {way: found_by[way] for way in sorted(found_by)},
    )


def slices(judgements: Sequence[Judgement]) -> list[SliceScores]:
    """Score in-KB gold by how often its entity was linked in training."""
    found = []
    for name, low, high in SLICES:
        targets = [t for t in _targets(judgements) if in_slice(t, low, high)]
        ambiguous = [t for t in targets if t.ambiguous]
        found.append(
            SliceScores(
                name,
                low,
                high,
                proportion(sum(t.correct for t in targets), len(targets)),
                proportion(sum(t.rank is not None for t in targets), len(targets)),
                proportion(sum(t.correct for t in ambiguous), len(ambiguous)),
            )
        )
    return found


def in_slice(target: Target, low: int, high: int | None) -> bool:
    """Say whether an entity's training count lies in [low, high]."""
    return low <= target.count and (high is None or target.count <= high)


def sweep(judgements: Sequence[Judgement]) -> Sweep:
    """Compute micro scores for every `min_confidence` from one run's confidences; nothing is linked again."""
    links = sorted(
        ((answer.confidence, answer.correct) for j in judgements for answer in j.answers if answer.is_link),
        reverse=True,
    )
    gold = sum(len(j.targets) for j in judgements)
    grid = [step / SWEEP_STEPS for step in range(SWEEP_STEPS + 1)]
    points = _at_thresholds(links, gold, grid)
    # Between two confidences nothing changes, so the confidences themselves are all thresholds worth trying.
    every = _at_thresholds(links, gold, sorted({0.0, *(confidence for confidence, _ in links)}))
    return Sweep(tuple(points), max(every, key=lambda point: (point.f1, -point.threshold)))


def _at_thresholds(links: Sequence[tuple[float, bool]], gold: int, ascending: Sequence[float]) -> list[ThresholdPoint]:
    """Score the links at or above each threshold; `links` from the most confident down."""
    points: list[ThresholdPoint] = []
    kept = right = 0
    for threshold in reversed(ascending):
        while kept < len(links) and links[kept][0] >= threshold:
            right += links[kept][1]
            kept += 1
        scores = precision_recall(right, kept, gold)
        points.append(ThresholdPoint(threshold, scores.precision, scores.recall, scores.f1))
    return points[::-1]


def _targets(judgements: Iterable[Judgement]) -> list[Target]:
    return [target for judgement in judgements for target in judgement.targets]
