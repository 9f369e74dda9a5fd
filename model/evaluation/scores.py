"""The scores of one system, as plain data. Field names are the keys of `--json`; docs/evaluation.md explains each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Category = Literal["not_detected", "wrong_span", "gold_not_among_candidates", "wrong_choice", "false_link"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Proportion:
    """`correct` of `total`; `value` is None where `total` is 0."""

    value: float | None
    correct: int
    total: int
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """Precision, recall and F1 of counts; 0 where a denominator is 0."""

    precision: float
    recall: float
    f1: float
    true_positives: int
    false_positives: int
    false_negatives: int


@dataclass(frozen=True, slots=True)
class MacroScores:
    """Means over documents; `left_out` documents had neither gold nor links."""

    precision: float
    recall: float
    f1: float
    documents: int
    left_out: int


@dataclass(frozen=True, slots=True)
class LinkScores:
    """InKB strong match; `f1_interval` belongs to the micro F1."""

    micro: PrecisionRecall
    macro: MacroScores
    f1_interval: Interval | None


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Spans alone: against all counting gold, and the share of in-KB gold that was found (a ceiling for recall)."""

    spans: PrecisionRecall
    in_kb_recall: Proportion


@dataclass(frozen=True, slots=True)
class CandidateScores:
    """Where the gold entity stood among the candidates, best first.

    Attributes:
        total: in-KB gold whose exact span was answered.
        recall_at: by rank ("1", "5", "10", "30").
        anywhere: at any rank.
        found_by: among the found: how often each kind of search had found the gold (several may).
    """

    total: int
    recall_at: dict[str, float | None]
    anywhere: float | None
    mean_candidates: float | None
    found_by: dict[str, int]


@dataclass(frozen=True, slots=True)
class SliceScores:
    """In-KB gold whose entity has `low` to `high` training links (None: no upper end).

    Attributes:
        accuracy: right over all of them (in a2kb: a recall).
        candidate_recall: gold anywhere among the candidates, over all of them.
        ambiguous: right over those whose gold is one of at least two candidates.
    """

    name: str
    low: int
    high: int | None
    accuracy: Proportion
    candidate_recall: Proportion
    ambiguous: Proportion


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers with a confidence in (low, high]; means are None where there are none."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether a confidence of 0.8 means right 8 times in 10.

    Attributes:
        answers: how many answers were looked at: all given mentions (d2kb) or all judged links (a2kb).
        ece: expected calibration error over 15 bins of equal width; `ece_equal_mass`: over 15 of equal size.
    """

    answers: int
    ece: float | None
    ece_equal_mass: float | None
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """Answering only what is most confident: the share answered, and the share of errors in it."""

    coverage: float
    risk: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Selective:
    """Risk against coverage, and the area under it (AURC, lower is better)."""

    aurc: float | None
    points: tuple[RiskPoint, ...]


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """InKB micro scores if links below `threshold` were left out."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """The effect of `min_confidence`. `oracle` was chosen on this very gold: a bound, never a result to claim."""

    points: tuple[ThresholdPoint, ...]
    oracle: ThresholdPoint


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """One category: gold that was missed, links that were wrong, and how many of the missed were answered NIL."""

    missed: int = 0
    wrong: int = 0
    answered_nil: int = 0


@dataclass(frozen=True, slots=True)
class ErrorExample:
    """One error with its surroundings.

    Attributes:
        window: a piece of the document, from `window_start` on; spans are offsets into it.
        text_length: of the whole document.
        gold_rank: of the gold entity among the answer's candidates, from 1.
    """

    category: Category
    document: str
    window: str
    window_start: int
    text_length: int
    gold_span: tuple[int, int] | None
    gold_entity: str | None
    predicted_span: tuple[int, int] | None
    predicted_entity: str | None
    confidence: float | None
    gold_rank: int | None


@dataclass(frozen=True, slots=True)
class Errors:
    """Counts over everything, and a fixed random sample of examples of each category."""

    counts: dict[Category, ErrorCount]
    examples: tuple[ErrorExample, ...]


@dataclass(frozen=True, slots=True)
class SystemScores:
    """Everything about one system on one group of documents.

    Attributes:
        accuracy: right over the gold mentions whose entity is in the KB, all given (d2kb only).
        ambiguous_accuracy: the same over those whose gold is one of at least two candidates (Bootleg's slice).
        detection: a2kb only.
        nil: None where no counting gold is outside the KB.
    """

    model_version: str
    kb_version: int
    links: LinkScores
    accuracy: Proportion | None
    ambiguous_accuracy: Proportion
    detection: DetectionScores | None
    nil: PrecisionRecall | None
    candidates: CandidateScores
    slices: tuple[SliceScores, ...]
    calibration: Calibration
    selective: Selective
    sweep: Sweep
    errors: Errors
