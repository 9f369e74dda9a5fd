"""Fitting what features say together, beyond what each says by itself: a small network on top of a linear model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.comparison import compare
from model.features import CANDIDATE_FEATURES
from model.fitting.logit import Array, Choices
from model.hidden_units import HiddenUnit

Numbers = npt.NDArray[np.int64]
Loss = Callable[[int], Tensor]  # of one of the batches, by its number

LEAST = 2_000  # choices or labels; fewer would be learned by heart
RATE = 5e-3
DECAY = 1e-2
CHOICE_UNITS, NIL_UNITS, CHOICE_DROPOUT = 64, 16, 0.3
CHOICE_EPOCHS, CHOICE_BATCHES = 60, 10
BINARY_UNITS, BINARY_DROPOUT, BINARY_BATCH = 16, 0.1, 2_048
BINARY_STEPS, BINARY_EPOCHS = 3_000, 30  # whichever is less: a few rows are soon known by heart


def fit_interactions(
    choices: Choices, linear: Array, without: Sequence[int], nil_without: Sequence[int], seed: int
) -> tuple[list[HiddenUnit], list[HiddenUnit]]:
    """Fit hidden units whose sum is added to the linear score of candidates, and others for NIL.

    Args:
        choices: among candidates and NIL, which is the last of each; columns of CANDIDATE_FEATURES, then of
            NIL_FEATURES.
        linear: the weights of the linear model, which stay as they are.
        without: columns of CANDIDATE_FEATURES that the units do not see.
        nil_without: columns of NIL_FEATURES that they do not see.

    Returns:
        Units over CANDIDATE_SEEN, and over NIL_SEEN; none where there are fewer than 2,000 choices.
    """
    count, split = len(choices.chosen), len(CANDIDATE_FEATURES)
    if count < LEAST:
        return [], []
    utility = choices.values @ linear
    firsts = np.searchsorted(choices.groups, np.arange(count + 1))
    is_nil = np.zeros(len(utility), dtype=np.bool_)
    is_nil[firsts[1:] - 1] = True
    values, scores = choices.values.astype(np.float32), utility.astype(np.float32)
    mention = choices.groups[~is_nil].astype(np.int32)
    compared = compare(mention, scores[~is_nil], values[~is_nil, :split], values[is_nil, split:])
    seen, nil_seen = (part.astype(np.float64) for part in compared)
    order = np.random.default_rng(seed).permutation(count)
    parts = [_part(choices, firsts, part) for part in np.array_split(order, CHOICE_BATCHES)]
    numbers = torch.from_numpy(np.cumsum(~is_nil) - 1)  # the row of each candidate among all candidates
    linear_scores = torch.from_numpy(scores)
    with _seeded(seed):
        hidden = _Network(seen, [*without, *(split + column for column in without)], CHOICE_UNITS, CHOICE_DROPOUT)
        nil_columns = [*nil_without, *(nil_seen.shape[1] - split + column for column in without)]
        nil_hidden = _Network(nil_seen, nil_columns, NIL_UNITS, CHOICE_DROPOUT)

        def loss(number: int) -> Tensor:
            rows, groups, nil, chosen, which = parts[number]
            added = torch.zeros(len(rows))
            added[~nil], added[nil] = hidden(numbers[rows[~nil]]), nil_hidden(which)
            return _choice_loss(linear_scores[rows] + added, groups, chosen)

        _minimise([hidden, nil_hidden], CHOICE_BATCHES, CHOICE_EPOCHS, loss)
    return hidden.found(), nil_hidden.found()


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
    utility = torch.from_numpy((values[used] @ linear).astype(np.float32))
    right = torch.from_numpy(labels[used].astype(np.float32))
    counting = torch.from_numpy((weights[used] / weights[used].mean()).astype(np.float32))
    batches = -(-len(used) // BINARY_BATCH)
    parts = [
        torch.from_numpy(part) for part in np.array_split(np.random.default_rng(seed).permutation(len(used)), batches)
    ]
    with _seeded(seed):
        network = _Network(values[used], [], BINARY_UNITS, BINARY_DROPOUT)

        def loss(number: int) -> Tensor:
            rows = parts[number]
            odds = utility[rows] + network(rows)
            return nn.functional.binary_cross_entropy_with_logits(odds, right[rows], counting[rows])

        _minimise([network], batches, min(-(-BINARY_STEPS // batches), BINARY_EPOCHS), loss)
    return network.found()


class _Network:
    """Hidden units over features that are scaled for them, and the way back to units over the features as they are.

    Args:
        values: rows x features.
        without: columns that the units do not see.
    """

    def __init__(self, values: Array, without: Sequence[int], units: int, dropout: float) -> None:
        self._mean, self._deviation = values.mean(axis=0), values.std(axis=0) + 1e-3
        self._seen = np.ones(values.shape[1])
        self._seen[list(without)] = 0
        scaled = (values - self._mean) / self._deviation * self._seen
        self._scaled = torch.from_numpy(scaled.astype(np.float32))
        self._first, self._last = nn.Linear(values.shape[1], units), nn.Linear(units, 1, bias=False)
        self._module = nn.Sequential(self._first, nn.ReLU(), nn.Dropout(dropout), self._last)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return what the units say of rows."""
        said: Tensor = self._module(self._scaled[rows]).squeeze(1)
        return said

    def parameters(self) -> list[nn.Parameter]:
        """Return what is to be fitted."""
        return list(self._module.parameters())

    def found(self) -> list[HiddenUnit]:
        """Return the units as they are now."""
        inner = self._first.weight.detach().double().numpy() * self._seen / self._deviation
        bias = self._first.bias.detach().double().numpy() - inner @ self._mean
        outer = self._last.weight.detach().double().numpy()[0]
        return [HiddenUnit(float(b), float(o), row.tolist()) for b, o, row in zip(bias, outer, inner, strict=True)]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let a seed decide all that is drawn, and sums be added in one order: a seed gives the same units again."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)


def _minimise(networks: Sequence[_Network], batches: int, epochs: int, loss: Loss) -> None:
    parameters = [parameter for network in networks for parameter in network.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
    for _ in range(epochs):
        for number in torch.randperm(batches).tolist():
            optimiser.zero_grad()
            loss(number).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()


def _part(choices: Choices, firsts: Numbers, part: Numbers) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return some choices' rows, the choice of each row, which rows are NIL, each choice's right row, the choices."""
    sizes = firsts[part + 1] - firsts[part]
    ends = np.cumsum(sizes)
    rows = np.repeat(firsts[part] - (ends - sizes), sizes) + np.arange(int(ends[-1]))
    is_nil = np.zeros(len(rows), dtype=np.bool_)
    is_nil[ends - 1] = True
    chosen = choices.chosen[part] - firsts[part] + ends - sizes
    arrays = rows, np.repeat(np.arange(len(part)), sizes), is_nil, chosen, part
    return tuple(map(torch.from_numpy, arrays))  # type: ignore[return-value]


def _choice_loss(scores: Tensor, groups: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean cross entropy of choices among their rows."""
    best = torch.full((len(chosen),), -torch.inf).scatter_reduce(0, groups, scores.detach(), "amax")
    sums = torch.zeros(len(chosen)).scatter_add(0, groups, (scores - best[groups]).exp())
    return (best + sums.log() - scores[chosen]).mean()
