"""Fitting the probability that something is so: a logistic regression, and hidden units on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.fitting.interactions import fit_binary_interactions
from model.fitting.logit import Array, fit_binary
from model.hidden_units import HiddenUnit


@dataclass(frozen=True, slots=True)
class Regression:
    """One weight a feature, and hidden units over the same features; the sum of both is the log odds."""

    weights: Array
    units: list[HiddenUnit]

    def probabilities(self, values: Array) -> Array:
        """Return the probability of each row (rows x features)."""
        odds = values @ self.weights
        for unit in self.units:
            odds += unit.outer * np.maximum(values @ np.array(unit.weights) + unit.bias, 0)
        return np.asarray(1 / (1 + np.exp(-odds)))

    def named(self, names: Sequence[str], part: str) -> dict[str, object]:
        """Return weights and units as they are written: under `part`, and under `part`_together."""
        weights = {name: round(float(weight), 5) for name, weight in zip(names, self.weights, strict=True)}
        return {part: weights, f"{part}_together": [unit.named(names) for unit in self.units]}


def fit_regression(values: Array, labels: Array, weights: Array, seed: int) -> Regression:
    """Fit weights, then units, where there are rows enough for them.

    Args:
        values: rows x features.
        labels: 0 or 1.
        weights: how much each row counts.
    """
    linear = fit_binary(values, labels, weights)
    return Regression(linear, fit_binary_interactions(values, labels, weights, linear, seed))
