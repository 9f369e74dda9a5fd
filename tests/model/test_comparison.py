"""What hidden units see: a candidate as it is, and beside what the linear model expects of its mention."""

from __future__ import annotations

import numpy as np
import pytest

from model.comparison import CANDIDATE_SEEN, NIL_SEEN, compare
from model.features import CANDIDATE_FEATURES, NIL_FEATURES

MENTION = np.array([0, 0, 2], dtype=np.int32)  # mention 1 has no candidates


def values(*rows: float) -> np.ndarray:
    """Return candidates of which each feature has the same value."""
    return np.repeat(np.array(rows, dtype=np.float32)[:, None], len(CANDIDATE_FEATURES), axis=1)


def nil() -> np.ndarray:
    return np.ones((3, len(NIL_FEATURES)), dtype=np.float32)


def test_likely_candidates_say_what_is_expected() -> None:
    scores = np.log(np.array([3, 1, 5], dtype=np.float32))
    candidates, none = compare(MENTION, scores, values(8, 4, 2), nil())
    split = len(CANDIDATE_FEATURES)
    assert candidates.shape == (3, len(CANDIDATE_SEEN))
    assert none.shape == (3, len(NIL_SEEN))
    np.testing.assert_array_equal(candidates[:, :split], values(8, 4, 2))
    np.testing.assert_allclose(candidates[:, split:], values(1, -3, 0), atol=1e-6)  # 7 is expected, three to one
    np.testing.assert_array_equal(none[:, :-split], nil())
    np.testing.assert_allclose(none[:, -split:], values(7, 0, 2), atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e4, -1e4])
def test_scores_of_any_size_give_numbers(scale: float) -> None:
    scores = np.array([1, 2, 3], dtype=np.float32) * np.float32(scale)
    for seen in compare(MENTION, scores, values(8, 4, 2), nil()):
        assert np.isfinite(seen).all()


def test_without_candidates_nothing_is_expected() -> None:
    nothing = np.zeros(0, dtype=np.int32)
    candidates, none = compare(nothing, np.zeros(0, np.float32), values(), nil())
    assert candidates.shape == (0, len(CANDIDATE_SEEN))
    assert not none[:, -len(CANDIDATE_FEATURES) :].any()


def test_a_mention_is_seen_alike_alone_and_among_others() -> None:
    random = np.random.default_rng(0)
    mention = np.sort(random.integers(0, 40, 300)).astype(np.int32)
    scores = random.normal(size=300).astype(np.float32)
    rows = random.normal(size=(300, len(CANDIDATE_FEATURES))).astype(np.float32)
    none = random.normal(size=(40, len(NIL_FEATURES))).astype(np.float32)
    every, every_nil = compare(mention, scores, rows, none)
    for which in range(40):
        own = mention == which
        alone, alone_nil = compare(mention[own] * 0, scores[own], rows[own], none[which : which + 1])
        np.testing.assert_array_equal(alone, every[own])
        np.testing.assert_array_equal(alone_nil[0], every_nil[which])
