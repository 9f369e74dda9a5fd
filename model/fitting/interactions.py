"""Fitting what features say together, beyond what each says by itself: a small network on top of the linear model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.fitting.logit import Array, Choices
from model.scorer import HiddenUnit

Numbers = npt.NDArray[np.int64]

LEAST = 2_000  # choices; fewer would be learned by heart
UNITS = 32
EPOCHS = 60
BATCHES = 10  # an epoch
RATE = 5e-3
DECAY = 1e-2
DROPOUT = 0.1


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
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)  # sums in one order: a seed gives the same weights again
    torch.manual_seed(seed)
    try:
        return _fit(choices, linear, features, without, np.random.default_rng(seed).permutation(count))
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)


def _fit(choices: Choices, linear: Array, features: int, without: Sequence[int], order: Numbers) -> list[HiddenUnit]:
    values = choices.values[:, :features]
    mean, deviation = values.mean(axis=0), values.std(axis=0) + 1e-3
    seen = np.ones(features)
    seen[list(without)] = 0
    scaled = torch.from_numpy(((values - mean) / deviation * seen).astype(np.float32))
    utility = torch.from_numpy((choices.values @ linear).astype(np.float32))
    firsts = np.searchsorted(choices.groups, np.arange(len(choices.chosen) + 1))
    first, last = nn.Linear(features, UNITS), nn.Linear(UNITS, 1, bias=False)
    network = nn.Sequential(first, nn.ReLU(), nn.Dropout(DROPOUT), last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS * BATCHES)
    parts = [_part(choices, firsts, part) for part in np.array_split(order, BATCHES)]
    for _ in range(EPOCHS):
        for at in torch.randperm(BATCHES).tolist():
            rows, groups, is_nil, chosen = parts[at]
            scores = utility[rows] + network(scaled[rows]).squeeze(1) * ~is_nil
            loss = _loss(scores, groups, chosen)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    inner = first.weight.detach().double().numpy() * seen / deviation
    bias = first.bias.detach().double().numpy() - inner @ mean
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


def _loss(scores: Tensor, groups: Tensor, chosen: Tensor) -> Tensor:
    """Return the mean cross entropy of choices among their rows."""
    best = torch.full((len(chosen),), -torch.inf).scatter_reduce(0, groups, scores.detach(), "amax")
    sums = torch.zeros(len(chosen)).scatter_add(0, groups, (scores - best[groups]).exp())
    return (best + sums.log() - scores[chosen]).mean()
