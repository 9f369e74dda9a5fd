"""What the training loop runs for the baseline `ned-base`: each mention chooses among its candidates by the dot product
of what the text says of it with a vector that is learned for each entity (NED-Base of Orr et al., 2020).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.adapter import VIEWS
from model.encoder_weights import HIDDEN_SIZE
from model.protocols import IntArray
from model.training.ned_base_data import StoredMentions, source_number
from model.training.split import Split
from model.training.task import Step

MEASURED = 4096  # mentions at a time
TAIL = 10  # an entity with at most so many mentions in training is rare


class NedBaseNetwork(nn.Module):
    """A projection of mentions, and the entities' vectors: zero at first, so that one never seen is no noise."""

    def __init__(self, entities: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(VIEWS * HIDDEN_SIZE, width)
        self.vectors = nn.Parameter(torch.zeros(entities, width))

    def forward(self, views: Tensor, candidates: Tensor) -> Tensor:
        """Return scores (mentions x candidates), minus infinity where there is none.

        Args:
            views: mentions x VIEWS x 384.
            candidates: rows of the entities' vectors (mentions x candidates), -1 where there are fewer.
        """
        queries = self.projection(views.flatten(1))
        vectors = functional.embedding(candidates.clamp_min(0), self.vectors)
        scores = torch.einsum("md,mcd->mc", queries, vectors)
        return scores.masked_fill(candidates < 0, -torch.inf)


class NedBaseTask:
    """A `model.training.task.Task`.

    Args:
        mentions: what is learned from, and the held-out pages to measure on.
        width: numbers in an entity's vector.
        split: which pages are held out, and the seed of the order.
        rates: how often an epoch shows each mention of a source, by name; 1 at least.
        batch: mentions in a step.

    Attributes:
        ordinals: of the entities that have a vector, the candidates of the mentions to learn from, ascending; the
            last vector, never learned, is that of all others.
    """

    def __init__(
        self,
        mentions: StoredMentions,
        fingerprint: str,
        width: int,
        split: Split,
        rates: Mapping[str, float],
        batch: int,
        epochs: int,
    ) -> None:
        pages, where = np.unique(mentions.page, return_inverse=True)
        held_out = np.array([split.page_held_out(page) for page in pages.tolist()], dtype=np.bool_)[where]
        self.mentions = mentions
        self.fingerprint = fingerprint
        self.training, self.held_out = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        self.ordinals, self._rows = _table(mentions.candidates, self.training)
        self._seed, self._batch, self._epochs = split.seed, batch, epochs
        self._rates = np.ones(len(self.training))
        for source, rate in rates.items():
            self._rates[mentions.source[self.training] == source_number(source)] = max(rate, 1.0)
        self.module = NedBaseNetwork(len(self.ordinals) + 1, width)

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self._epochs * self._steps_of_an_epoch

    @property
    def _steps_of_an_epoch(self) -> int:
        return -(-int(self._rates.sum()) // self._batch)

    def loss(self, step: int) -> Step:
        """Return the loss of a step, the mean over its mentions."""
        epoch, within = divmod(step, self._steps_of_an_epoch)
        random = np.random.default_rng((self._seed, 0, epoch))
        times = np.floor(self._rates + random.random(len(self._rates))).astype(np.int64)
        order = random.permutation(np.repeat(self.training, times))
        chosen = order[within * self._batch : (within + 1) * self._batch]
        loss = functional.cross_entropy(self._scores(chosen), torch.from_numpy(self.mentions.gold[chosen]).long())
        return Step(loss, {"linking": float(loss.detach())}, len(chosen), [f"mention {row}" for row in chosen.tolist()])

    def evaluate(self) -> dict[str, float]:
        """Return the accuracy on held-out pages: of all mentions, and by how often their entity is one in training."""
        right = np.zeros(len(self.held_out), dtype=np.bool_)
        for start in range(0, len(self.held_out), MEASURED):
            part = self.held_out[start : start + MEASURED]
            right[start : start + MEASURED] = self._scores(part).argmax(dim=1).numpy() == self.mentions.gold[part]
        times = self._times_in_training(self.held_out)
        slices = {"accuracy": times >= 0, "unseen": times == 0, "tail": (times > 0) & (times <= TAIL)}
        return {name: float(right[rows].mean()) if rows.any() else 0.0 for name, rows in slices.items()}

    def _times_in_training(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        every = self.mentions.candidates[np.arange(len(self.mentions.gold)), self.mentions.gold]
        return np.bincount(every[self.training], minlength=int(every.max(initial=0)) + 1)[every[rows]]

    def _scores(self, mentions: npt.NDArray[np.int64]) -> Tensor:
        views = torch.from_numpy(self.mentions.views[mentions].astype(np.float32))
        scores: Tensor = self.module(views, torch.from_numpy(self._rows[mentions]).long())
        return scores.float()


def _table(candidates: IntArray, training: npt.NDArray[np.int64]) -> tuple[IntArray, IntArray]:
    """Return which entities get a vector, and each candidate's row: behind the last for those that get none."""
    known = np.unique(candidates[training])
    known = known[known >= 0]
    rows = np.searchsorted(known, candidates)
    found = np.append(known, -1)[rows] == candidates
    rows = np.where(candidates < 0, -1, np.where(found, rows, len(known)))
    return known, rows.astype(np.int32)
