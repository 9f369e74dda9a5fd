"""Hidden units: silent until what they watch rises above their bound, and the same for a row wherever it stands."""

from __future__ import annotations

import numpy as np
import pytest

from model.hidden_units import HiddenUnit, HiddenUnits

NAMES = ("red", "green", "blue")
UNITS = [HiddenUnit(-1.0, 2.0, [1.0, 1.0, 0.0]), HiddenUnit(0.5, -3.0, [0.0, 0.0, 1.0])]


def read(rows: object) -> HiddenUnits:
    return HiddenUnits({"together": rows}, "together", NAMES)


def test_a_unit_speaks_where_its_sum_is_above_its_bound() -> None:
    units = read([unit.named(NAMES) for unit in UNITS])
    values = np.array([[1, 1, -1], [0.2, 0.2, -1], [0, 0, 1]], dtype=np.float32)
    np.testing.assert_allclose(units.sums(values), [2.0, 0.0, -4.5])


def test_without_units_nothing_is_added() -> None:
    assert read([]).sums(np.ones((4, 3), dtype=np.float32)).tolist() == [0, 0, 0, 0]


def test_a_row_gets_the_same_alone_and_among_others() -> None:
    random = np.random.default_rng(0)
    units = read([HiddenUnit(*random.normal(size=2), list(random.normal(size=3))).named(NAMES) for _ in range(16)])
    values = random.normal(size=(50, 3)).astype(np.float32)
    together = units.sums(values)
    assert [units.sums(values[row : row + 1])[0] for row in range(50)] == together.tolist()


def test_features_are_told_by_their_names() -> None:
    named = UNITS[0].named(NAMES)
    weights = named["weights"]
    assert isinstance(weights, dict)
    turned = named | {"weights": dict(reversed(weights.items()))}
    values = np.array([[3, 2, 1]], dtype=np.float32)
    assert read([turned]).sums(values) == read([named]).sums(values)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({}, "together is not a list"),
        ([{"bias": 0, "outer": 0, "weights": [1]}], "weights is not an object"),
        ([{"bias": 0, "outer": 0, "weights": {"red": 1, "green": 1}}], "the features differ: blue"),
        ([{"bias": "low", "outer": 0, "weights": {}}], "could not convert string to float: 'low'"),
    ],
)
def test_units_of_another_kind_are_refused(rows: object, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        read(rows)
