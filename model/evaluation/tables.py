"""The numbers of a group as rows with one cell a system: what the terminal and the HTML report both show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.evaluation.errors import CATEGORIES
from model.evaluation.metrics import RANKS
from model.evaluation.results import Comparison, Group, Mode
from model.evaluation.scores import (
    Category,
    Interval,
    PrecisionRecall,
    Proportion,
    ReliabilityBin,
    SliceScores,
    SystemScores,
)

NOTHING = "—"

CATEGORY_LABELS: dict[Category, str] = {
    "not_detected": "Not detected",
    "wrong_span": "Wrong span",
    "gold_not_among_candidates": "Gold not among candidates",
    "wrong_choice": "Wrong choice",
    "false_link": "False link",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as text, with its 95 % interval or what it is a share of, where there is one."""

    text: str
    interval: tuple[str, str] | None = None
    half_width: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One number of all systems."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together; `hint` says in a line what they count."""

    title: str
    hint: str
    rows: tuple[Row, ...]


def sections(group: Group, mode: Mode) -> list[Section]:
    """Lay out everything but the reliability table."""
    systems = list(group.systems.values())
    found = [_links(systems, mode)]
    if mode == "a2kb":
        found.append(_detection(systems))
    if any(s.nil for s in systems):
        found.append(Section("NIL", "mentions whose entity is not in the KB", _scores(systems, lambda s: s.nil)))
    found += [_candidates(systems), *_slices(systems, mode), _confidence(systems), _errors(systems, mode)]
    if group.comparisons:
        found.append(_comparisons(group))
    return found


def reliability_section(group: Group) -> Section:
    """Lay out mean confidence and accuracy by confidence."""
    systems = list(group.systems.values())
    rows = []
    for bins in zip(*(s.calibration.bins for s in systems), strict=True):
        if any(b.count for b in bins):
            rows.append(Row(f"{bins[0].low:.2f} to {bins[0].high:.2f}", tuple(_reliability(b) for b in bins)))
    return Section("Reliability", "mean confidence → share that is right, of so many answers", tuple(rows))


def categories(mode: Mode) -> tuple[Category, ...]:
    """Return the kinds of error that can happen: given mentions are neither overlooked nor misplaced."""
    return CATEGORIES if mode == "a2kb" else tuple(c for c in CATEGORIES if c not in ("not_detected", "wrong_span"))


def percent(value: float | None) -> str:
    """Write a share as a percentage with one decimal."""
    return NOTHING if value is None else f"{100 * value:.1f}"


def _links(systems: Sequence[SystemScores], mode: Mode) -> Section:
    rows: list[Row] = []
    if mode == "d2kb":
        rows.append(_row("Accuracy", systems, lambda s: _proportion(s.accuracy)))
    rows += _scores(systems, lambda s: s.links.micro, "Micro ", lambda s: s.links.f1_interval)
    rows += [
        _row("Macro precision", systems, lambda s: Cell(percent(s.links.macro.precision))),
        _row("Macro recall", systems, lambda s: Cell(percent(s.links.macro.recall))),
        _row("Macro F1", systems, lambda s: Cell(percent(s.links.macro.f1))),
    ]
    return Section("Links", "InKB, strong match; 95 % intervals over documents", tuple(rows))


def _detection(systems: Sequence[SystemScores]) -> Section:
    rows = _scores(systems, lambda s: s.detection.spans if s.detection else None)
    in_kb = _row(
        "Recall of in-KB gold", systems, lambda s: _proportion(s.detection.in_kb_recall if s.detection else None)
    )
    return Section("Mention detection", "exact spans, whatever they are linked to", (*rows, in_kb))


def _candidates(systems: Sequence[SystemScores]) -> Section:
    def at(rank: int) -> Callable[[SystemScores], Cell]:
        return lambda s: Cell(percent(s.candidates.recall_at[str(rank)]))

    rows = [_row(f"Gold in the first {k}" if k > 1 else "Gold is first", systems, at(k)) for k in RANKS]
    rows.append(_row("Gold anywhere", systems, lambda s: Cell(percent(s.candidates.anywhere))))
    rows.append(_row("Candidates a mention", systems, lambda s: Cell(_decimal(s.candidates.mean_candidates, 1))))
    rows.append(_row("In-KB gold answered", systems, lambda s: Cell(str(s.candidates.total))))
    return Section("Candidates", "in-KB gold whose span was answered", tuple(rows))


def _slices(systems: Sequence[SystemScores], mode: Mode) -> list[Section]:
    what, first = "Accuracy" if mode == "d2kb" else "Recall", systems[0].slices

    def rows(cell: Callable[[SliceScores], Cell], *, counted: bool = True) -> list[Row]:
        labels = [f"{s.name.capitalize()} (n {s.accuracy.total})" if counted else s.name.capitalize() for s in first]
        return [_row(label, systems, slice_cell(cell, index)) for index, label in enumerate(labels)]

    def slice_cell(cell: Callable[[SliceScores], Cell], index: int) -> Callable[[SystemScores], Cell]:
        return lambda s: cell(s.slices[index])

    ambiguous = _row("All", systems, lambda s: _counted(s.ambiguous_accuracy))
    return [
        Section(
            f"{what} by training count",
            "unseen 0, tail 1 to 10, torso 11 to 1000, head above",
            tuple(rows(lambda s: _proportion(s.accuracy))),
        ),
        Section(
            "The same where ambiguous",
            "gold is one of at least two candidates (Bootleg)",
            (ambiguous, *rows(lambda s: _counted(s.ambiguous), counted=False)),
        ),
        Section(
            "Candidate recall by training count",
            "gold anywhere among the candidates",
            tuple(rows(lambda s: _proportion(s.candidate_recall))),
        ),
    ]


def _confidence(systems: Sequence[SystemScores]) -> Section:
    rows = (
        _row("ECE", systems, lambda s: Cell(_decimal(s.calibration.ece, 3))),
        _row("ECE, equal mass", systems, lambda s: Cell(_decimal(s.calibration.ece_equal_mass, 3))),
        _row("AURC", systems, lambda s: Cell(_decimal(s.selective.aurc, 3))),
        _row("Oracle F1", systems, lambda s: Cell(f"{percent(s.sweep.oracle.f1)} at {s.sweep.oracle.threshold:.2f}")),
    )
    return Section("Confidence", "lower is better; oracle: threshold chosen on this gold", rows)


def _errors(systems: Sequence[SystemScores], mode: Mode) -> Section:
    def cell(category: Category) -> Callable[[SystemScores], Cell]:
        return lambda s: Cell(f"{s.errors.counts[category].missed} / {s.errors.counts[category].wrong}")

    rows = tuple(_row(CATEGORY_LABELS[category], systems, cell(category)) for category in categories(mode))
    return Section("Errors", "gold missed / links wrong", rows)


def _comparisons(group: Group) -> Section:
    by_name = {comparison.baseline: comparison for comparison in group.comparisons}
    first = group.comparisons[0]
    what = "accuracy" if first.metric == "accuracy" else "micro F1"
    found = [by_name.get(name) for name in group.systems]
    rows = (
        Row(f"{first.system} minus it", tuple(_difference(c) for c in found)),
        Row("p (paired bootstrap)", tuple(Cell(f"{c.p_value:.3f}" if c else NOTHING) for c in found)),
    )
    return Section("Against the baselines", f"difference in {what}, in points", rows)


def _difference(comparison: Comparison | None) -> Cell:
    if comparison is None:
        return Cell(NOTHING)
    return _with_interval(f"{100 * comparison.difference:+.1f}", comparison.interval)


def _scores(
    systems: Sequence[SystemScores],
    scores: Callable[[SystemScores], PrecisionRecall | None],
    prefix: str = "",
    interval: Callable[[SystemScores], Interval | None] = lambda _: None,
) -> tuple[Row, ...]:
    def cell(s: SystemScores, field: str) -> Cell:
        found = scores(s)
        if found is None:
            return Cell(NOTHING)
        return _with_interval(percent(getattr(found, field)), interval(s) if field == "f1" else None)

    return (
        _row(f"{prefix}precision".capitalize(), systems, lambda s: cell(s, "precision")),
        _row(f"{prefix}recall".capitalize(), systems, lambda s: cell(s, "recall")),
        _row(f"{prefix}F1" if prefix else "F1", systems, lambda s: cell(s, "f1")),
    )


def _row(label: str, systems: Sequence[SystemScores], cell: Callable[[SystemScores], Cell]) -> Row:
    return Row(label, tuple(cell(scores) for scores in systems))


def _proportion(found: Proportion | None) -> Cell:
    return Cell(NOTHING) if found is None else _with_interval(percent(found.value), found.interval)


def _counted(found: Proportion) -> Cell:
    return Cell(percent(found.value), count=found.total)


def _with_interval(text: str, around: Interval | None) -> Cell:
    if around is None:
        return Cell(text)
    return Cell(text, (percent(around.low), percent(around.high)), percent((around.high - around.low) / 2))


def _reliability(found: ReliabilityBin) -> Cell:
    if not found.count:
        return Cell(NOTHING)
    return Cell(f"{percent(found.confidence)} → {percent(found.accuracy)}", count=found.count)


def _decimal(value: float | None, places: int) -> str:
    return NOTHING if value is None else f"{value:.{places}f}"
