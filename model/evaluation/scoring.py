"""From judged documents to the scores of a group: every metric, with confidence intervals and paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.evaluation import metrics
from model.evaluation.bootstrap import Floats, interval, paired_p_value, ratios, resampled_sums
from model.evaluation.calibration_metrics import calibration, selective
from model.evaluation.judging import Judgement
from model.evaluation.results import Comparison, Mode
from model.evaluation.scores import Errors, Interval, LinkScores, Proportion, SliceScores, SystemScores


@dataclass(frozen=True, slots=True)
class SystemRun:
    """What a system did on a group: its judged documents in a fixed order, its errors, and its versions."""

    judgements: Sequence[Judgement]
    errors: Errors
    model_version: str
    kb_version: int


@dataclass(frozen=True, slots=True)
class Draws:
    """Resampled counts of one system; each array has one value a resample."""

    f1: Floats
    accuracy: Floats
    slices: tuple[Floats, ...]


def score_systems(
    runs: Mapping[str, SystemRun], mode: Mode, resamples: int, seed: int
) -> tuple[dict[str, SystemScores], tuple[Comparison, ...]]:
    """Score all systems on the same documents; the first is compared with each of the others."""
    draws = _draw(runs, resamples, seed)
    scores = {name: _score(run, draws[name], mode) for name, run in runs.items()}
    first, *others = runs
    return scores, tuple(_compare(first, other, scores, draws, mode) for other in others)


def _draw(runs: Mapping[str, SystemRun], resamples: int, seed: int) -> dict[str, Draws]:
    """Resample all systems at once, so that each draw takes the same documents for each."""
    tables = [np.array([_counts(j) for j in run.judgements], dtype=np.float64) for run in runs.values()]
    sums = resampled_sums(np.concatenate(tables, axis=1), resamples, seed)
    draws = {}
    for name, part in zip(runs, np.split(sums, len(tables), axis=1), strict=True):
        right, judged, gold, *by_slice = part.T
        pairs = zip(by_slice[::2], by_slice[1::2], strict=True)
        draws[name] = Draws(
            ratios(2 * right, judged + gold), ratios(right, gold), tuple(ratios(*pair) for pair in pairs)
        )
    return draws


def _counts(judgement: Judgement) -> list[int]:
    """List the numbers that intervals are computed from: one row of the table to resample."""
    row = [judgement.links_right, judgement.links_judged, len(judgement.targets)]
    for _, low, high in metrics.SLICES:
        targets = [t for t in judgement.targets if metrics.in_slice(t, low, high)]
        row += [sum(t.correct for t in targets), len(targets)]
    return row


def _score(run: SystemRun, draws: Draws, mode: Mode) -> SystemScores:
    given = mode == "d2kb"
    judgements = run.judgements
    # A given mention answered NIL is an answer like any other; detection may drop NIL mentions, so only links compare.
    answers = [answer for j in judgements for answer in j.answers if given or answer.is_link]
    answers.sort(key=lambda answer: (answer.confidence, answer.correct))  # sums do not depend on document order
    return SystemScores(
        model_version=run.model_version,
        kb_version=run.kb_version,
        links=LinkScores(metrics.micro(judgements), metrics.macro(judgements), interval(draws.f1)),
        accuracy=_with(metrics.accuracy(judgements), interval(draws.accuracy)) if given else None,
        ambiguous_accuracy=metrics.ambiguous_accuracy(judgements),
        detection=None if given else metrics.detection(judgements),
        nil=metrics.nil(judgements),
        candidates=metrics.candidates(judgements),
        slices=tuple(_slices(judgements, draws)),
        calibration=calibration(answers),
        selective=selective(answers),
        sweep=metrics.sweep(judgements),
        errors=run.errors,
    )


def _slices(judgements: Sequence[Judgement], draws: Draws) -> list[SliceScores]:
    found = metrics.slices(judgements)
    return [
        replace(scores, accuracy=_with(scores.accuracy, interval(drawn)))
        for scores, drawn in zip(found, draws.slices, strict=True)
    ]


def _with(found: Proportion, around: Interval | None) -> Proportion:
    return replace(found, interval=around)


def _compare(
    system: str, baseline: str, scores: Mapping[str, SystemScores], draws: Mapping[str, Draws], mode: Mode
) -> Comparison:
    ours, theirs = scores[system], scores[baseline]
    if mode == "d2kb":
        drawn = draws[system].accuracy - draws[baseline].accuracy
        difference = _value(ours.accuracy) - _value(theirs.accuracy)
    else:
        drawn = draws[system].f1 - draws[baseline].f1
        difference = ours.links.micro.f1 - theirs.links.micro.f1
    around = interval(drawn) or Interval(0.0, 0.0)
    return Comparison(
        "accuracy" if mode == "d2kb" else "f1", system, baseline, difference, around, paired_p_value(difference, drawn)
    )


def _value(found: Proportion | None) -> float:
    return found.value if found is not None and found.value is not None else 0.0
