"""What the training loop runs for the fusion network: batches by step, their loss, and accuracy on held-out pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.fusion.network import FusionNetwork
from model.protocols import FloatArray
from model.training.batches import Labelled, gold_of, pad, padded_batches
from model.training.examples import ExampleStore

MEASURED = 2000  # documents from which the features' means and deviations are taken


@dataclass(frozen=True, slots=True)
class Counts:
    """Of mentions whose entity is in the KB: how many there are, have it among their candidates, and are right."""

    mentions: int = 0
    found: int = 0
    right: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.mentions + other.mentions, self.found + other.found, self.right + other.right)


def set_scales(network: FusionNetwork, store: ExampleStore, numbers: Sequence[int]) -> None:
    """Measure the features' means and deviations on some documents."""
    some = [store[number] for number in numbers[:MEASURED]]
    for scale, rows, width in (
        (network.feature_scale, [example.values.candidates for example in some], len(CANDIDATE_FEATURES)),
        (network.nil_scale, [example.values.nil for example in some], len(NIL_FEATURES)),
    ):
        values = np.concatenate([np.zeros((0, width), np.float32), *rows])
        scale.mean.copy_(torch.from_numpy(values.mean(axis=0)))
        scale.deviation.copy_(torch.from_numpy(values.std(axis=0) + 1e-3))


def batch_loss(network: FusionNetwork, windows: Sequence[Labelled]) -> Tensor:
    """Return the sum of the mentions' cross entropies: each chooses among its candidates and NIL."""
    batch = pad([window.inputs for window in windows])
    _, scores, nil = network(batch)
    gold, there = gold_of(windows)
    total = _log_total(scores, nil, batch.owner)
    chosen = torch.where(gold >= 0, scores.gather(1, gold.clamp_min(0)), nil)
    return (total - chosen)[there].sum()


def _log_total(scores: Tensor, nil: Tensor, owner: Tensor) -> Tensor:
    """Return the logarithm of the sum of each mention's exponentiated scores, NIL's among them (B x M)."""
    best = nil.scatter_reduce(1, owner, scores, "amax", include_self=True).detach()
    sums = (nil - best).exp().scatter_add(1, owner, (scores - best.gather(1, owner)).exp())
    return best + sums.log()


def measure(network: FusionNetwork, windows: Iterable[Labelled]) -> Counts:
    """Return how many in-KB mentions the network gets right when it must name an entity."""
    counts = Counts()
    network.eval()
    with torch.inference_mode():
        for group in padded_batches(windows):
            batch = pad([window.inputs for window in group])
            _, scores, _ = network(batch)
            for row, window in enumerate(group):
                counts += _counted(scores[row, : len(window.inputs.owner)].numpy(), window)
    network.train()
    return counts


def _counted(scores: FloatArray, window: Labelled) -> Counts:
    best = np.full(len(window.gold), -1, dtype=np.int64)
    for candidate in np.argsort(scores, kind="stable").tolist():  # the best of each mention comes last
        best[window.inputs.owner[candidate]] = candidate
    found = window.gold >= 0
    return Counts(int(window.in_kb.sum()), int(found.sum()), int((best == window.gold)[found].sum()))
