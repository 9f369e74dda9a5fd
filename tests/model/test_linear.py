"""A linear layer gives a row the same answer whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest

from model.linear import BLOCK, linear

RANDOM = np.random.default_rng(5)
WEIGHT = np.asfortranarray(RANDOM.standard_normal((40, 300)).astype(np.float32))
BIAS = RANDOM.standard_normal(40).astype(np.float32)
ROWS = RANDOM.standard_normal((3 * BLOCK + 5, 300)).astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, len(ROWS)])
def test_it_is_a_product_and_a_sum(count: int) -> None:
    expected = ROWS[:count].astype(np.float64) @ WEIGHT.T + BIAS
    found = linear(ROWS[:count], WEIGHT, BIAS)
    assert found.shape == (count, 40)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_row_gets_the_same_alone_in_any_place_and_among_others() -> None:
    together = linear(ROWS, WEIGHT, BIAS)
    order = RANDOM.permutation(len(ROWS))
    np.testing.assert_array_equal(linear(ROWS[order], WEIGHT, BIAS), together[order])
    for index in (0, 7, BLOCK, len(ROWS) - 1):
        np.testing.assert_array_equal(linear(ROWS[index : index + 1], WEIGHT, BIAS)[0], together[index])
