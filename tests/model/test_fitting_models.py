"""The two likelihoods that fitting maximises: their gradients, and what they find where the answer is known."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import check_grad

from model.fitting import logit
from model.fitting.logit import Choices, fit_binary, fit_choices
from model.fitting.regression import Regression, fit_regression
from model.hidden_units import HiddenUnit, HiddenUnits

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> list[Loss]:
    """The functions that were handed to the minimiser."""
    losses: list[Loss] = []

    def catch(loss: Loss, start: np.ndarray, **_: object) -> SimpleNamespace:
        losses.append(loss)
        return SimpleNamespace(x=start)

    monkeypatch.setattr(logit, "minimize", catch)
    return losses


def some_choices(random: np.random.Generator, truth: np.ndarray, count: int = 400) -> Choices:
    """Choices among two to five alternatives, made as the model says with weights `truth`."""
    sizes = random.integers(2, 6, count)
    groups = np.repeat(np.arange(count), sizes)
    values = random.normal(size=(len(groups), len(truth))) * [1.0, 5.0, 0.2]
    noisy = values @ truth + random.gumbel(size=len(groups))
    firsts = np.r_[0, np.cumsum(sizes)[:-1]]
    chosen = np.array(
        [first + np.argmax(noisy[first : first + size]) for first, size in zip(firsts, sizes, strict=True)]
    )
    return Choices(values, groups, chosen, random.uniform(0.5, 2, count))


def check(loss: Loss, random: np.random.Generator, size: int) -> None:
    for _ in range(5):
        point = random.normal(size=size)
        difference = check_grad(lambda at: loss(at)[0], lambda at: loss(at)[1], point)
        assert difference <= 1e-4 * max(1.0, float(np.linalg.norm(loss(point)[1])))


def test_the_gradient_of_choices(caught: list[Loss]) -> None:
    random = np.random.default_rng(0)
    fit_choices(some_choices(random, np.array([1.0, -0.5, 2.0]), 40), ridge=0.7)
    check(caught[0], random, 3)


def test_the_gradient_of_yes_and_no(caught: list[Loss]) -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(50, 4))
    fit_binary(values, (values[:, 0] > 0).astype(float), random.uniform(0.1, 2, 50), ridge=0.7)
    check(caught[0], random, 4)


def test_choices_made_with_known_weights_give_them_back() -> None:
    truth = np.array([1.0, -0.5, 2.0])
    found = fit_choices(some_choices(np.random.default_rng(2), truth, 6000))
    np.testing.assert_allclose(found, truth, atol=0.25, rtol=0.1)


def test_one_choice_of_two_by_hand() -> None:
    """Three of four choose the first of two: the odds are 3, whatever the unit of the feature."""
    for scale in (1.0, 100.0):
        values = np.tile([[scale], [0.0]], (4, 1))
        choices = Choices(values, np.repeat(np.arange(4), 2), np.array([0, 2, 4, 7]), np.ones(4))
        (weight,) = fit_choices(choices, ridge=0.0)
        assert weight * scale == pytest.approx(np.log(3), rel=1e-3)


def test_a_weight_counts_like_so_many_repetitions() -> None:
    random = np.random.default_rng(3)
    choices = some_choices(random, np.array([1.0, -0.5, 2.0]), 50)
    whole = Choices(choices.values, choices.groups, choices.chosen, np.full(50, 2.0))
    twice = Choices(
        np.r_[choices.values, choices.values],
        np.r_[choices.groups, choices.groups + 50],
        np.r_[choices.chosen, choices.chosen + len(choices.values)],
        np.ones(100),
    )
    np.testing.assert_allclose(fit_choices(whole), fit_choices(twice), rtol=1e-3, atol=1e-4)


def test_yes_and_no_by_hand() -> None:
    """A constant alone learns the log odds of yes; a penalty draws it towards zero."""
    ones = np.ones((10, 1))
    labels = np.array([1.0] * 8 + [0.0] * 2)
    (free,) = fit_binary(ones, labels, np.ones(10), ridge=0.0)
    (held,) = fit_binary(ones, labels, np.ones(10), ridge=5.0)
    assert free == pytest.approx(np.log(4), rel=1e-3)
    assert 0 < held < free
    (weighted,) = fit_binary(ones, labels, np.where(labels > 0, 1.0, 4.0), ridge=0.0)
    assert weighted == pytest.approx(0.0, abs=1e-3)


def test_a_feature_that_never_changes_is_left_at_zero() -> None:
    random = np.random.default_rng(4)
    choices = some_choices(random, np.array([1.0, -0.5, 2.0]), 50)
    values = np.column_stack([choices.values, np.full(len(choices.values), 3.0)])
    found = fit_choices(Choices(values, choices.groups, choices.chosen, choices.weights))
    assert np.isfinite(found).all()
    assert found[3] == pytest.approx(0.0, abs=1e-6)


NAMES = ("first", "second", "constant")


def either(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two features and a constant, of which just one is to be set: no weighted sum tells that."""
    random = np.random.default_rng(0)
    values = np.column_stack([random.integers(0, 2, (count, 2)), np.ones(count)]).astype(float)
    return values, (values[:, 0] != values[:, 1]).astype(float)


def test_hidden_units_tell_what_no_sum_tells() -> None:
    values, labels = either(4_000)
    regression = fit_regression(values, labels, np.ones(len(labels)), seed=0)
    assert len(regression.units) == 16
    linear = values @ regression.weights
    together = HiddenUnits(regression.named(NAMES, "xor"), "xor_together", NAMES).sums(values.astype(np.float32))
    assert ((linear + together > 0) == labels).all()
    assert ((linear > 0) == labels).mean() < 0.8


def test_few_rows_that_count_have_no_hidden_units() -> None:
    values, labels = either(4_000)
    weights = (np.arange(len(labels)) < 1_999).astype(float)
    assert fit_regression(values, labels, weights, seed=0).units == []


def test_a_seed_gives_the_same_units_again() -> None:
    values, labels = either(2_500)
    first, second, other = (fit_regression(values, labels, np.ones(len(labels)), seed) for seed in (0, 0, 1))
    assert first.named("abc", "link") == second.named("abc", "link") != other.named("abc", "link")


def test_regressions_are_written_by_name() -> None:
    named = Regression(np.array([0.123456, -1.0]), [HiddenUnit(0.5, 2.0, [1.0, 0.000001])]).named("ab", "link")
    assert named == {
        "link": {"a": 0.12346, "b": -1.0},
        "link_together": [{"bias": 0.5, "outer": 2.0, "weights": {"a": 1.0, "b": 0.0}}],
    }


def test_a_weight_keeps_its_sign() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(400, 3))
    labels = (values @ np.array([1.0, -1.0, 2.0]) > 0).astype(float)
    free = fit_binary(values, labels, np.ones(400))
    assert free[0] > 0 > free[1]
    held = fit_binary(values, labels, np.ones(400), 1.0, [1, 2], [0])
    assert held[0] == held[1] == 0
    assert held[2] > 0
