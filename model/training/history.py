"""What a training reached so far, and a picture of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from model.evaluation.charts import STYLES, svg

MOST_POINTS = 600  # of a curve: more are not told apart in a picture
SMOOTH = 0.03  # of the curve's points, how far around each the mean is taken

Curve = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured after `step` steps."""

    step: int
    values: Mapping[str, float]


@dataclass(slots=True)
class History:
    """Losses and measurements since the training began, also before it was interrupted.

    Attributes:
        losses: the mean loss a mention, one number for each time that the weights changed; NaN where the batches
            had no mention.
        evaluations: in order.
    """

    losses: list[float] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)


def loss_chart(history: History, steps_per_loss: int = 1) -> str:
    """Draw the loss, smoothed, beside a measured `loss`, and below it what else was measured; return an SVG.

    Args:
        steps_per_loss: steps between two losses.
    """
    names = list(dict.fromkeys(name for evaluation in history.evaluations for name in evaluation.values))
    values, losses = ([name for name in names if (name == "loss") is wanted] for wanted in (False, True))
    heights = (3, 2) if values else (1,)

    def draw(figure: Figure) -> None:
        parts = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
        upper, lower = parts[0, 0], parts[-1, 0]
        _draw_losses(upper, history, steps_per_loss)
        _draw_evaluations(upper, history, losses, "loss of held-out data", first=1)
        upper.set_ylabel("loss a mention")
        upper.legend(loc="upper right", fontsize=8.5)
        if values:
            _draw_evaluations(lower, history, values, "", first=0)
            lower.set_ylabel("held-out data")
            lower.legend(loc="best", fontsize=8.5)
        lower.set_xlabel("step")
        lower.set_xlim(0, 1.02 * max(1, len(history.losses) * steps_per_loss))
        lower.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        lower.xaxis.set_major_formatter("{x:,.0f}")

    return svg(draw)


def _draw_losses(axes: Axes, history: History, steps_per_loss: int) -> None:
    steps, means = _binned(np.array(history.losses, dtype=np.float64), steps_per_loss)
    axes.plot(steps, means, color=STYLES[0][0], linewidth=0.6, alpha=0.35)
    axes.plot(steps, smoothed(means), color=STYLES[0][0], linewidth=1.6, label="training, smoothed")
    if len(means):
        # The first steps are often far above all others, and would press them together.
        axes.set_ylim(0, 1.15 * float(np.quantile(means, 0.99)) or 1)


def _draw_evaluations(axes: Axes, history: History, names: list[str], label: str, first: int) -> None:
    for order, name in enumerate(names, start=first):
        colour, line, marker = STYLES[order % len(STYLES)]
        points = [(e.step, e.values[name]) for e in history.evaluations if name in e.values]
        axes.plot(*zip(*points, strict=True), line, marker=marker, color=colour, markersize=5, label=label or name)


def _binned(losses: Curve, steps_per_loss: int) -> tuple[Curve, Curve]:
    """Return at most MOST_POINTS means of losses that follow each other, and the step at which each ends."""
    steps = np.arange(1, len(losses) + 1, dtype=np.float64) * steps_per_loss
    steps, losses = steps[np.isfinite(losses)], losses[np.isfinite(losses)]
    width = math.ceil(len(losses) / MOST_POINTS) or 1
    starts = np.arange(0, len(losses), width)
    if not len(starts):
        return steps, losses
    sizes = np.diff(np.r_[starts, len(losses)])
    return steps[starts + sizes - 1], np.add.reduceat(losses, starts) / sizes


def smoothed(values: Curve) -> Curve:
    """Return the mean around each value, of as many before as behind it, so that the curve is not shifted."""
    reach = max(1, round(SMOOTH * len(values)))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    here = np.arange(len(values))
    # Near the ends less is there on one side, so less is taken on the other.
    reaches = np.minimum(reach, np.minimum(here, len(values) - 1 - here))
    return np.asarray((sums[here + reaches + 1] - sums[here - reaches]) / (2 * reaches + 1))
