"""Fitting what features say together, beyond what each says by itself: a small network on top of a linear model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.fitting.logit import Array, Choices
from model.hidden_units import HiddenUnit

Numbers = npt.NDArray[np.int64]
Loss = Callable[[int, nn.Module], Tensor]  # of one of the batches, by its number

LEAST = 2_000  # choices or labels; fewer would be learned by heart
RATE = 5e-3
DECAY = 1e-2
DROPOUT = 0.1
CHOICE_UNITS, CHOICE_EPOCHS, CHOICE_BATCHES = 32, 60, 10
BINARY_UNITS, BINARY_BATCH = 16, 2_048
BINARY_STEPS, BINARY_EPOCHS = 3_000, 30  # whichever is less: a few rows are soon known by heart


def fit_interactions(
    choices: Choices, linear: Array, features: int, without: Sequence[int], seed: int
) -> list[HiddenUnit]:
    """Fit hidden units whose sum is added to the linear score of each alternative but the last (NIL) of each choice.

    Args:
        linear: the weights of the linear model, which stay as they are.
        features: how many of the first columns belong to candidates.
        without: columns that the units do not see.

    Returns:
        No units where there are fewer than 2,000 choices.
    """
    count = len(choices.chosen)
    if count < LEAST:
        return []
    scaling = _Scaling(choices.values[:, :features], without)
    utility = torch.from_numpy((choices.values @ linear).astype(np.float32))
    firsts = np.searchsorted(choices.groups, np.arange(count + 1))
    order = np.random.default_rng(seed).permutation(count)
    parts = [_part(choices, firsts, part) for part in np.array_split(order, CHOICE_BATCHES)]

    def loss(number: int, network: nn.Module) -> Tensor:
        rows, groups, is_nil, chosen = parts[number]
        scores = utility[rows] + network(scaling.scaled[rows]).squeeze(1) * ~is_nil
        return _choice_loss(scores, groups, chosen)

    return scaling.fit(CHOICE_UNITS, CHOICE_BATCHES, CHOICE_EPOCHS, loss, seed)


def fit_binary_interactions(values: Array, labels: Array, weights: Array, linear: Array, seed: int) -> list[HiddenUnit]:
    """Fit hidden units whose sum is added to the log odds of a logistic regression.

    Args:
        values: rows x features.
        labels: 0 or 1.
        weights: how much each row counts.
        linear: the weights of the regression, which stay as they are.

    Returns:
        No units where fewer than 2,000 rows count.
    """
    used = np.flatnonzero(weights > 0)
    if len(used) < LEAST:
        return []
    scaling = _Scaling(values[used], ())
    utility = torch.from_numpy((values[used] @ linear).astype(np.float32))
    right = torch.from_numpy(labels[used].astype(np.float32))
    counting = torch.from_numpy((weights[used] / weights[used].mean()).astype(np.float32))
    batches = -(-len(used) // BINARY_BATCH)
    parts = [
        torch.from_numpy(part) for part in np.array_split(np.random.default_rng(seed).permutation(len(used)), batches)
    ]

    def loss(number: int, network: nn.Module) -> Tensor:
        rows = parts[number]
        odds = utility[rows] + network(scaling.scaled[rows]).squeeze(1)
        return nn.functional.binary_cross_entropy_with_logits(odds, right[rows], counting[rows])

    epochs = min(-(-BINARY_STEPS // batches), BINARY_EPOCHS)
    return scaling.fit(BINARY_UNITS, batches, epochs, loss, seed)


class _Scaling:
    """Features scaled for the network, and the way back to units over the features as they are."""

    def __init__(self, values: Array, without: Sequence[int]) -> None:
        self._mean, self._deviation = values.mean(axis=0), values.std(axis=0) + 1e-3
        self._seen = np.ones(values.shape[1])
        self._seen[list(without)] = 0
        scaled = (values - self._mean) / self._deviation * self._seen
        self.scaled = torch.from_numpy(scaled.astype(np.float32))

    def fit(self, units: int, batches: int, epochs: int, loss: Loss, seed: int) -> list[HiddenUnit]:
        """Minimise a loss over the batches; the same seed gives the same units."""
        threads, state = torch.get_num_threads(), torch.get_rng_state()
        torch.set_num_threads(1)  # sums in one order: a seed gives the same weights again
        torch.manual_seed(seed)
        try:
            return self._fit(units, batches, epochs, loss)
        finally:
            torch.set_num_threads(threads)
            torch.set_rng_state(state)

    def _fit(self, units: int, batches: int, epochs: int, loss: Loss) -> list[HiddenUnit]:
        first, last = nn.Linear(self.scaled.shape[1], units), nn.Linear(units, 1, bias=False)
        network = nn.Sequential(first, nn.ReLU(), nn.Dropout(DROPOUT), last)
        optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
        for _ in range(epochs):
            for number in torch.randperm(batches).tolist():
                optimiser.zero_grad()
                loss(number, network).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        inner = first.weight.detach().double().numpy() * self._seen / self._deviation
        bias = first.bias.detach().double().numpy() - inner @ self._mean
        outer = last.weight.detach().double().numpy()[0]
        return [HiddenUnit(float(b), float(o), row.tolist()) for b, o, row in zip(bias, outer, inner, strict=True)]


def _part(choices: Choices, firsts: Numbers, part: Numbers) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return some choices' rows, the choice of each row, which rows are NIL, and each choice's right row."""
    sizes = firsts[part + 1] - firsts[part]
    ends = np.cumsum(sizes)
    rows = np.repeat(firsts[part] - (ends - sizes), sizes) + np.arange(int(ends[-1]))
    is_nil = np.zeros(len(rows), dtype=np.bool_)
    is_nil[ends - 1] = True
    chosen = choices.chosen[part] - firsts[part] + ends - sizes
    arrays = rows, np.repeat(np.arange(len(part)), sizes), is_nil, chosen
    return tuple(map(torch.from_numpy, arrays))  # type: ignore[return-value]


def _choice_loss(scores: Tensor, groups: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean cross entropy of choices among their rows."""
    best = torch.full((len(chosen),), -torch.inf).scatter_reduce(0, groups, scores.detach(), "amax")
    sums = torch.zeros(len(chosen)).scatter_add(0, groups, (scores - best[groups]).exp())
    return (best + sums.log() - scores[chosen]).mean()
