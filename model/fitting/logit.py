"""Maximum likelihood for the two models that the scorer is made of (McFadden, 1974; Cox, 1958), by L-BFGS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choices:
    """Choices among alternatives.

    Attributes:
        values: alternatives x features, each choice's alternatives one after the other.
        groups: the choice of each alternative, ascending from 0 without gaps.
        chosen: for each choice, the alternative that is right.
        weights: how much each choice counts.
    """

    values: Array
    groups: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.int64]
    weights: Array


def fit_choices(choices: Choices, ridge: float = 1.0, not_negative: Sequence[int] = ()) -> Array:
    """Fit a conditional logit and return one weight a feature.

    Features are scaled to unit variance for the penalty, `ridge` / 2 x the squared length of the weights.

    Args:
        not_negative: features whose weight may not fall below zero.
    """
    spread = choices.values.std(axis=0)
    scale = np.where(spread > 1e-6, spread, 1.0)  # what never changes tells nothing: blown up, it would drown the rest
    scaled = choices.values / scale
    firsts = np.flatnonzero(np.r_[True, choices.groups[1:] != choices.groups[:-1]])
    chosen_sum = choices.weights @ scaled[choices.chosen]

    def loss(weights: Array) -> tuple[float, Array]:
        utility = scaled @ weights
        utility -= np.maximum.reduceat(utility, firsts)[choices.groups]
        exponential = np.exp(utility)
        sums = np.add.reduceat(exponential, firsts)
        likelihood = choices.weights @ (utility[choices.chosen] - np.log(sums))
        expected = (exponential / sums[choices.groups] * choices.weights[choices.groups]) @ scaled
        return (
            float(ridge / 2 * weights @ weights - likelihood),
            np.asarray(ridge * weights - (chosen_sum - expected)),
        )

    start = np.zeros(scaled.shape[1])
    bounds = [(0.0 if feature in not_negative else None, None) for feature in range(len(start))]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return np.asarray(found.x / scale)


def fit_binary(
    values: Array,
    labels: Array,
    weights: Array,
    ridge: float = 1.0,
    not_negative: Sequence[int] = (),
    not_positive: Sequence[int] = (),
) -> Array:
    """Fit a logistic regression and return one weight a feature; `labels` are 0 or 1.

    Args:
        not_negative, not_positive: features whose weight may not fall below zero, and not rise above it.
    """
    scale = np.maximum(np.sqrt((values**2).mean(axis=0)), 1e-6)
    scaled = values / scale

    def loss(parameters: Array) -> tuple[float, Array]:
        utility = scaled @ parameters
        likelihood = weights @ (labels * utility - np.logaddexp(0, utility))
        gradient = (weights * (labels - 1 / (1 + np.exp(-utility)))) @ scaled
        return float(ridge / 2 * parameters @ parameters - likelihood), np.asarray(ridge * parameters - gradient)

    start = np.zeros(scaled.shape[1])
    bounds = [
        (0.0 if feature in not_negative else None, 0.0 if feature in not_positive else None)
        for feature in range(len(start))
    ]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return np.asarray(found.x / scale)
