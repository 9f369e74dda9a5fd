"""Fitting the probability that something is so: a logistic regression, and hidden units on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.fitting.interactions import fit_binary_interactions
from model.fitting.logit import Array, fit_binary
from model.hidden_units import HiddenUnit


@dataclass(frozen=True, slots=True)
class Regression:
    """One weight a feature, and hidden units over the same features; the sum of both is the log odds."""

    weights: Array
    units: list[HiddenUnit]

    def named(self, names: Sequence[str], part: str) -> dict[str, object]:
        """Return weights and units as they are written: under `part`, and under `part`_together."""
        return {part: named(names, self.weights), f"{part}_together": [unit.named(names) for unit in self.units]}


def named(names: Sequence[str], values: Array) -> dict[str, float]:
    """Return values by name, rounded as weights are written."""
    return {name: round(float(value), 5) for name, value in zip(names, values, strict=True)}


def fit_regression(values: Array, labels: Array, weights: Array, seed: int) -> Regression:
    """Fit weights, then units, where there are rows enough for them.

    Args:
        values: rows x features.
        labels: 0 or 1.
        weights: how much each row counts.
    """
    linear = fit_binary(values, labels, weights)
    return Regression(linear, fit_binary_interactions(values, labels, weights, linear, seed))
