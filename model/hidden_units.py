"""Hidden units: what features say only together, on top of what each says by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.linear import linear
from model.protocols import FloatArray


@dataclass(frozen=True, slots=True)
class HiddenUnit:
    """One unit: `outer` times what is positive of `bias` and the weighted features."""

    bias: float
    outer: float
    weights: list[float]

    def named(self, names: Sequence[str]) -> dict[str, object]:
        """Return the unit as it is written, rounded."""
        weights = {name: round(weight, 5) for name, weight in zip(names, self.weights, strict=True)}
        return {"bias": round(self.bias, 5), "outer": round(self.outer, 5), "weights": weights}


class HiddenUnits:
    """The units of one model; there may be none."""

    def __init__(self, weights: Mapping[str, object], part: str, names: Sequence[str]) -> None:
        """Read units as `HiddenUnit.named` gives them.

        Args:
            weights: all that is read.
            part: where in it the units are.
            names: the features, in the order in which `sums` gets them.

        Raises:
            KeyError, TypeError: there is no list of objects.
            ValueError: a unit is for other features.
        """
        rows = weights[part]
        if not isinstance(rows, list):
            raise TypeError(f"{part} is not a list")
        self._weights = np.zeros((len(rows), len(names)), dtype=np.float32)
        self._bias = np.array([float(row["bias"]) for row in rows], dtype=np.float32)
        self._outer = np.array([float(row["outer"]) for row in rows], dtype=np.float32)
        for number, row in enumerate(rows):
            self._weights[number] = in_order(row, "weights", names)

    def sums(self, values: FloatArray) -> FloatArray:
        """Return what the units add to each row (rows x features); a row gets the same whatever stands beside it."""
        if not len(self._bias):
            return np.zeros(len(values), dtype=np.float32)
        inner = np.maximum(linear(values, self._weights, self._bias), 0)
        return np.asarray((inner * self._outer).sum(axis=1), dtype=np.float32)


def in_order(weights: Mapping[str, object], part: str, names: Sequence[str]) -> FloatArray:
    """Return a part of weights, which has them by name, as an array.

    Raises:
        KeyError, TypeError: there is no object.
        ValueError: it is for other features.
    """
    values = weights[part]
    if not isinstance(values, Mapping):
        raise TypeError(f"{part} is not an object")
    if set(values) != set(names):
        raise ValueError(f"the features differ: {', '.join(sorted(set(values) ^ set(names)))}")
    return np.array([float(values[name]) for name in names], dtype=np.float32)
