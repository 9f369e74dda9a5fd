from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.calibration_metrics import calibration, equal_mass_edges, selective
from model.evaluation.judging import Answer


def answers(*pairs: tuple[float, int]) -> list[Answer]:
    return [Answer(confidence, bool(correct), is_link=True) for confidence, correct in pairs]


def test_ece_by_hand() -> None:
    found = calibration(answers((0.95, 1), (0.95, 0), (0.5, 1), (0.5, 1), (0.5, 0), (0.1, 0)))
    # Bins: 0.95 twice (half right), 0.5 three times (2/3 right), 0.1 once (wrong).
    expected = (2 * abs(0.95 - 1 / 2) + 3 * abs(0.5 - 2 / 3) + 1 * 0.1) / 6
    assert found.ece == pytest.approx(expected)
    assert found.answers == 6
    filled = [(b.count, b.accuracy) for b in found.bins if b.count]
    assert filled == [(1, 0.0), (3, pytest.approx(2 / 3)), (2, 0.5)]
    assert len(found.bins) == 15


def test_bins_exclude_their_lower_bound() -> None:
    found = calibration(answers((0.0, 0), (1 / 15, 0), (0.0667, 0), (1.0, 1)))
    assert [b.count for b in found.bins] == [2, 1, *[0] * 11, 0, 1]
    assert found.bins[5].confidence is None


def test_perfect_and_worst_calibration() -> None:
    assert calibration(answers((1.0, 1), (0.0, 0))).ece == 0.0
    assert calibration(answers((1.0, 0), (0.0, 1))).ece == 1.0


def test_equal_mass() -> None:
    # 30 answers of different confidence: 15 bins of two neighbours each, one right and one wrong.
    pairs = [((n + 1) / 31, n % 2) for n in range(30)]
    found = calibration(answers(*pairs))
    means = [(pairs[n][0] + pairs[n + 1][0]) / 2 for n in range(0, 30, 2)]
    assert found.ece_equal_mass == pytest.approx(sum(abs(mean - 0.5) for mean in means) / 15)


def test_equal_confidences_stay_in_one_bin() -> None:
    assert equal_mass_edges(np.array([0.5] * 40)).tolist() == [-1.0, 0.5]
    found = calibration(answers(*[(0.5, n < 20) for n in range(40)]))
    assert found.ece_equal_mass == 0.0


def test_nothing_to_measure() -> None:
    found = calibration([])
    assert (found.ece, found.ece_equal_mass, found.answers) == (None, None, 0)
    assert selective([]).aurc is None


def test_risk_and_coverage_by_hand() -> None:
    found = selective(answers((0.9, 1), (0.8, 0), (0.7, 1), (0.6, 0)))
    risks = [0, 1 / 2, 1 / 3, 2 / 4]
    assert [p.risk for p in found.points] == pytest.approx(risks)
    assert [p.coverage for p in found.points] == [0.25, 0.5, 0.75, 1.0]
    assert [p.threshold for p in found.points] == [0.9, 0.8, 0.7, 0.6]
    assert found.aurc == pytest.approx(sum(risks) / 4)


def test_equal_confidences_share_their_errors() -> None:
    one = selective(answers((0.5, 1), (0.5, 0)))
    other = selective(answers((0.5, 0), (0.5, 1)))
    assert one == other
    assert [p.risk for p in one.points] == [0.5, 0.5]


def test_many_answers_give_few_points() -> None:
    found = selective(answers(*[(n / 1000, n % 3 > 0) for n in range(1000)]))
    assert len(found.points) == 100
    assert found.points[-1].coverage == 1.0
    assert found.points[-1].risk == pytest.approx(334 / 1000)


pairs = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60)


@settings(deadline=None)
@given(pairs)
def test_bounds(found: list[tuple[float, int]]) -> None:
    scores, risk = calibration(answers(*found)), selective(answers(*found))
    assert sum(b.count for b in scores.bins) == len(found)
    for value in (scores.ece, scores.ece_equal_mass, risk.aurc):
        assert value is not None
        assert 0.0 <= value <= 1.0 + 1e-12
    wrong = sum(not correct for _, correct in found)
    assert risk.points[-1].risk == pytest.approx(wrong / len(found))


@settings(deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(found: list[tuple[float, int]], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert calibration(answers(*found)) == calibration(answers(*shuffled))
    assert selective(answers(*found)) == selective(answers(*shuffled))
