import numpy as np
import pytest

from model.evaluation import bootstrap
from model.evaluation.bootstrap import interval, paired_p_value, ratios, resampled_sums


def test_sums_are_of_as_many_documents() -> None:
    counts = np.column_stack([np.ones(50), np.arange(50)])
    sums = resampled_sums(counts, 200, seed=3)
    assert sums.shape == (200, 2)
    assert (sums[:, 0] == 50).all()
    assert sums[:, 1].std() > 0
    assert sums[:, 1].mean() == pytest.approx(counts[:, 1].sum(), rel=0.05)


def test_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.arange(30, dtype=np.float64).reshape(10, 3)
    one = resampled_sums(counts, 100, seed=1)
    assert (one == resampled_sums(counts, 100, seed=1)).all()
    assert not (one == resampled_sums(counts, 100, seed=2)).all()
    monkeypatch.setattr(bootstrap, "_BLOCK_CELLS", 35)  # three resamples a block
    assert (one == resampled_sums(counts, 100, seed=1)).all()


def test_no_documents() -> None:
    assert resampled_sums(np.zeros((0, 2)), 10, seed=0).shape == (10, 2)


def test_ratios_and_intervals_without_a_value() -> None:
    found = ratios(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    assert found[0] == 0.5
    assert np.isnan(found[1])
    assert interval(np.array([np.nan, np.nan])) is None
    known = interval(np.array([np.nan, 0.25, 0.25]))
    assert known is not None
    assert (known.low, known.high) == (0.25, 0.25)


def test_interval_is_about_that_of_the_normal_distribution() -> None:
    correct = (np.arange(400) % 4 > 0).astype(np.float64)  # three in four
    sums = resampled_sums(np.column_stack([correct, np.ones(400)]), 2000, seed=0)
    found = interval(ratios(sums[:, 0], sums[:, 1]))
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert found is not None
    assert found.low == pytest.approx(0.75 - half, abs=0.01)
    assert found.high == pytest.approx(0.75 + half, abs=0.01)


def test_p_values() -> None:
    assert paired_p_value(0.0, np.zeros(99)) == 1.0
    assert paired_p_value(0.5, np.full(99, 0.5)) == 0.01  # all draws agree: shifted, none is as far from 0
    generator = np.random.default_rng(0)
    assert paired_p_value(0.01, generator.normal(0.01, 0.1, 999)) > 0.8
    assert paired_p_value(-0.3, generator.normal(-0.3, 0.1, 999)) < 0.02
