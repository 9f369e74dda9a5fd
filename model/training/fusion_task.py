"""What the training loop runs for the fusion network: batches by step, their loss, and accuracy on held-out pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.fusion.network import FusionNetwork
from model.protocols import EntityStore, FloatArray
from model.training.batches import Hiding, Labelled, gold_of, labelled_windows, pad, padded_batches
from model.training.examples import ExampleStore
from model.training.task import Step

MEASURED = 2000  # documents from which the features' means and deviations are taken


@dataclass(frozen=True, slots=True)
class Counts:
    """Of mentions whose entity is in the KB: how many there are, have it among their candidates, and are right."""

    mentions: int = 0
    found: int = 0
    right: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.mentions + other.mentions, self.found + other.found, self.right + other.right)


@dataclass(frozen=True)
class FusionTask:
    """A `model.training.task.Task`.

    Attributes:
        module: the network.
        examples, entities: the documents, and what the KB knows.
        training, held_out: numbers of the examples to learn from and to measure on.
        hiding: what is hidden in training.
        documents: how many a step takes.
        epochs: how often each is seen.
        seed: another order, and other things hidden, for another one.
    """

    module: FusionNetwork
    examples: ExampleStore
    entities: EntityStore
    training: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]
    hiding: Hiding
    documents: int
    epochs: int
    seed: int

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.epochs * self._steps_of_an_epoch

    @property
    def fingerprint(self) -> str:
        """Names the documents and their split."""
        return f"{self.examples.fingerprint}-{len(self.training)}-{len(self.held_out)}"

    def loss(self, step: int) -> Step:
        """Return the loss of a step, the mean over its mentions."""
        epoch, within = divmod(step, self._steps_of_an_epoch)
        order = np.random.default_rng((self.seed, 0, epoch)).permutation(self.training)
        chosen = order[within * self.documents : (within + 1) * self.documents].tolist()
        windows = list(self._windows(chosen, self.hiding, np.random.default_rng((self.seed, 1, step))))
        mentions = sum(len(window.gold) for window in windows)
        losses = [batch_loss(self.module, group) for group in padded_batches(windows)]
        loss = torch.stack(losses).sum() / mentions if losses else torch.zeros(())
        return Step(loss, {"linking": float(loss.detach())}, mentions, [self.examples.ids[number] for number in chosen])

    def evaluate(self) -> dict[str, float]:
        """Return accuracy and candidate recall of the held-out documents' in-KB mentions."""
        counts = measure(self.module, self._windows(self.held_out.tolist(), None, np.random.default_rng(0)))
        known = max(counts.mentions, 1)
        return {"accuracy": counts.right / known, "candidate_recall": counts.found / known}

    @property
    def _steps_of_an_epoch(self) -> int:
        return -(-len(self.training) // self.documents)

    def _windows(
        self, numbers: Iterable[int], hiding: Hiding | None, random: np.random.Generator
    ) -> Iterator[Labelled]:
        for number in numbers:
            yield from labelled_windows(self.examples[number], self.entities, hiding, random)


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
    """Return how many in-KB mentions the network (in evaluation mode) gets right when it must name an entity."""
    counts = Counts()
    with torch.inference_mode():
        for group in padded_batches(windows):
            batch = pad([window.inputs for window in group])
            _, scores, _ = network(batch)
            for row, window in enumerate(group):
                counts += _counted(scores[row, : len(window.inputs.owner)].numpy(), window)
    return counts


def _counted(scores: FloatArray, window: Labelled) -> Counts:
    best = np.full(len(window.gold), -1, dtype=np.int64)
    for candidate in np.argsort(scores, kind="stable").tolist():  # the best of each mention comes last
        best[window.inputs.owner[candidate]] = candidate
    found = window.gold >= 0
    return Counts(int(window.in_kb.sum()), int(found.sum()), int((best == window.gold)[found].sum()))
