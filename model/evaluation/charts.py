"""Pictures of a group: reliability, slices, risk against coverage, thresholds. Each function returns an SVG."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from math import nan

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from model.evaluation.results import Group, Mode
from model.evaluation.scores import Proportion

# Told apart without colour too, by line style and marker: (colour, line, marker).
STYLES = (("#1b5e8c", "-", "o"), ("#c4761b", "--", "s"), ("#6f6f6f", ":", "^"), ("#4d8b57", "-.", "D"))
SIZE = (5.4, 4.0)  # inches: two beside each other on a laptop's screen


def reliability_chart(group: Group, _: Mode) -> str:
    """Draw accuracy against confidence, a point a bin, larger with more answers; below, where the answers are."""

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.plot((0, 1), (0, 1), color="#bbbbbb", linewidth=1, label="perfectly calibrated")
        for order, (name, scores) in enumerate(group.systems.items()):
            colour, line, marker = STYLES[order % len(STYLES)]
            bins = [b for b in scores.calibration.bins if b.confidence is not None and b.accuracy is not None]
            x, y = [b.confidence or 0.0 for b in bins], [b.accuracy or 0.0 for b in bins]
            sizes = [8 + 90 * b.count / scores.calibration.answers for b in bins]
            upper.plot(x, y, line, color=colour, linewidth=1.2, label=name)
            upper.scatter(x, y, sizes, color=colour, marker=marker, alpha=0.85, linewidths=0)
        name, scores = next(iter(group.systems.items()))
        answers = max(1, scores.calibration.answers)
        for b in scores.calibration.bins:
            lower.bar((b.low + b.high) / 2, b.count / answers, (b.high - b.low) * 0.9, color=STYLES[0][0])
        _percent(upper, "right")
        _percent(lower, f"answers\n({name})")
        lower.set_ylim(0, None)
        lower.set_xlabel("confidence")
        upper.set_xlim(0, 1)
        upper.legend(loc="upper left", fontsize=8.5)

    return svg(draw)


def slices_chart(group: Group, mode: Mode) -> str:
    """Draw accuracy by how often the gold entity was linked in training, with 95 % intervals."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        systems = list(group.systems.items())
        width = 0.8 / len(systems)
        for order, (name, scores) in enumerate(systems):
            places = [index + (order - (len(systems) - 1) / 2) * width for index in range(len(scores.slices))]
            found = [s.accuracy for s in scores.slices]
            heights = [p.value or 0.0 for p in found]
            bars = axes.bar(places, heights, width * 0.92, color=STYLES[order % len(STYLES)][0], label=name)
            axes.errorbar(places, heights, _whiskers(found), fmt="none", ecolor="#333333", elinewidth=0.8, capsize=2)
            axes.bar_label(
                bars, [f"{100 * p.value:.0f}" if p.value is not None else "" for p in found],
                label_type="center", color="white", fontsize=8,
            )  # fmt: skip
        slices = systems[0][1].slices
        axes.set_xticks(range(len(slices)), [f"{s.name} {_range(s.low, s.high)}\nn {s.accuracy.total}" for s in slices])
        axes.grid(visible=False, axis="x")
        _percent(axes, "accuracy" if mode == "d2kb" else "recall")
        figure.legend(loc="outside upper center", ncols=len(systems), fontsize=8.5)

    return svg(draw)


def risk_chart(group: Group, _: Mode) -> str:
    """Draw the share of errors if only the most confident answers are given."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for order, (name, scores) in enumerate(group.systems.items()):
            colour, line, _ = STYLES[order % len(STYLES)]
            points = scores.selective.points
            label = name if scores.selective.aurc is None else f"{name} (AURC {scores.selective.aurc:.3f})"
            axes.plot([p.coverage for p in points], [p.risk for p in points], line, color=colour, label=label)
        _percent(axes, "errors among them")
        axes.set_ylim(0, None)
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, 0))
        axes.set_xlabel("share answered, most confident first")
        axes.legend(loc="best", fontsize=8.5)

    return svg(draw)


def threshold_chart(group: Group, _: Mode) -> str:
    """Draw precision, recall and F1 of the first system against `min_confidence`."""
    name, scores = next(iter(group.systems.items()))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        points, oracle = scores.sweep.points, scores.sweep.oracle
        x = [p.threshold for p in points]
        for values, label, style in (
            ([p.precision if p.recall or p.precision else nan for p in points], "precision", STYLES[1]),
            ([p.recall for p in points], "recall", STYLES[2]),
            ([p.f1 for p in points], "F1", STYLES[0]),
        ):
            axes.plot(x, values, style[1], color=style[0], label=label)
        axes.plot(oracle.threshold, oracle.f1, "o", color=STYLES[0][0], label=f"oracle F1 at {oracle.threshold:.2f}")
        _percent(axes, f"scores of {name}")
        axes.set_xlim(0, 1)
        axes.set_xlabel("min_confidence")
        axes.legend(loc="lower left", fontsize=8.5)

    return svg(draw)


def _whiskers(found: list[Proportion]) -> list[list[float]]:
    """Return how far the intervals reach down and up; nothing where there is none."""
    reach = [
        (max(0.0, p.value - p.interval.low), max(0.0, p.interval.high - p.value))
        if p.interval is not None and p.value is not None
        else (0.0, 0.0)
        for p in found
    ]
    return [[down for down, _ in reach], [up for _, up in reach]]


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f">{low - 1}"
    return str(low) if low == high else f"{low}-{high}"


def _percent(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0))


def svg(draw: Callable[[Figure], None]) -> str:
    """Return what `draw` draws into an empty figure, in the style of all pictures; the same each time."""
    # A Figure of its own, without pyplot: nothing global, no display, safe in threads.
    with mpl.rc_context(
        {
            "font.size": 9.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#999999",
            "axes.labelcolor": "#333333",
            "axes.grid": True,
            "grid.color": "#ececec",
            "axes.axisbelow": True,
            "xtick.color": "#555555",
            "ytick.color": "#555555",
            "legend.frameon": False,
            "svg.hashsalt": "namesake",  # else ids are random, and two reports of the same numbers differ
        }
    ):
        figure = Figure(figsize=SIZE, layout="constrained")
        draw(figure)
        buffer = StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
