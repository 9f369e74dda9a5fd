"""From encoder data to a step's batch: which windows, which mentions, which entities they are told from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.training.encoder_config import EncoderConfig
from model.training.encoder_data import EncoderData
from model.training.ragged import Ragged
from model.training.split import Split

NumberArray = npt.NDArray[np.int64]
Random = np.random.Generator


class Texts:
    """Ragged numbers on a device, from which padded batches of rows are taken."""

    def __init__(self, texts: Ragged, device: torch.device) -> None:
        self.lengths = texts.lengths
        self._values = torch.from_numpy(np.append(texts.values, 0).astype(np.int32)).to(device)
        self._offsets = torch.from_numpy(texts.offsets).to(device)

    def padded(self, rows: NumberArray) -> tuple[Tensor, Tensor]:
        """Return rows beside each other (rows x longest), zeros behind the shorter ones, and their lengths."""
        device = self._values.device
        lengths = torch.from_numpy(self.lengths[rows]).to(device)
        where = torch.arange(int(self.lengths[rows].max(initial=0)), device=device)
        there = where[None] < lengths[:, None]
        starts = self._offsets[torch.from_numpy(rows).to(device)]
        index = torch.where(there, starts[:, None] + where[None], len(self._values) - 1)
        return self._values[index].long(), lengths


def by_length(lengths: NumberArray, most: int) -> Iterator[NumberArray]:
    """Yield positions in groups of like length, of at most `most` numbers each when padded."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        rows = max(1, most // max(int(lengths[order[start]]) + 2, 1))
        yield order[start : start + rows]
        start += rows


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a step takes.

    Attributes:
        windows: rows of the windows.
        mentions: rows of the mentions.
        within: for each mention the position of its window in `windows`.
        entities: ordinals of all entities that are compared, ascending.
        gold: for each mention the position of its entity in `entities`.
    """

    windows: NumberArray
    mentions: NumberArray
    within: NumberArray
    entities: NumberArray
    gold: NumberArray


class Sampler:
    """Chooses what each step learns from: always the same for the same seed and step."""

    def __init__(self, data: EncoderData, config: EncoderConfig, split: Split, rates: Mapping[str, float]) -> None:
        self._data = data
        self._config = config
        windows = data.windows
        pages, where = np.unique(windows.page, return_inverse=True)
        exhaustive = Split(config.exhaustive_held_out, seed=split.seed)
        held_out = np.array([split.page_held_out(page) for page in pages.tolist()], dtype=np.bool_)[where]
        whole = np.array([exhaustive.page_held_out(page) for page in pages.tolist()], dtype=np.bool_)[where]
        held_out = np.where(windows.exhaustive, whole, held_out)
        self.training: NumberArray = np.flatnonzero(~held_out)
        self.held_out: NumberArray = np.flatnonzero(held_out)
        self._taught = ~data.entities.held_out[windows.gold]
        self._first = np.searchsorted(windows.mention_window, np.arange(len(windows.page) + 1))
        named = np.array([rates.get(name, 1.0) for name in data.sources])
        self._rates = named[windows.source[self.training]]
        self.windows_of_epoch = int(self._rates.sum())

    @property
    def steps_of_epoch(self) -> int:
        """How many steps an epoch has."""
        return -(-self.windows_of_epoch // self._config.windows)

    def epoch(self, seed: int, epoch: int) -> NumberArray:
        """Return the windows of an epoch in their order; each as often as its source's rate says, on average.

        Drawn systematically (Madow, 1949), so that there are as many as `steps_of_epoch` counts on.
        """
        random = np.random.default_rng((seed, 0, epoch))
        order = random.permutation(len(self._rates))
        reached = np.floor(np.cumsum(self._rates[order]) + random.random()).astype(np.int64)
        shown = np.diff(reached, prepend=0)
        return random.permutation(np.repeat(self.training[order], shown))[: self.windows_of_epoch]

    def mentions_of(self, windows: NumberArray, random: Random | None) -> tuple[NumberArray, NumberArray]:
        """Return the mentions of windows and the position of each one's window; with `random`, those of training."""
        nothing = np.zeros(0, dtype=np.int64)
        chosen: list[NumberArray] = []
        within: list[NumberArray] = []
        for position, window in enumerate(windows.tolist()):
            rows = np.arange(self._first[window], self._first[window + 1])
            if random is not None:
                rows = rows[self._taught[rows]]
                if len(rows) > self._config.mentions_of_window:
                    rows = np.sort(random.permutation(rows)[: self._config.mentions_of_window])
            chosen.append(rows)
            within.append(np.full(len(rows), position))
        return np.concatenate([nothing, *chosen]), np.concatenate([nothing, *within])

    def choose(self, windows: NumberArray, mined: npt.NDArray[np.int32], random: Random) -> Chosen:
        """Choose mentions of windows, and the wrong entities that they are told from.

        Args:
            mined: wrong entities near to each mention (mentions x any), -1 where there are fewer.
        """
        mentions, within = self.mentions_of(windows, random)
        gold = self._data.windows.gold[mentions].astype(np.int64)
        bearers = self._data.windows.bearers[mentions]
        others = [
            self._some(bearers, self._config.alias_negatives, random),
            self._some(mined[mentions], self._config.mined_negatives, random),
        ]
        entities = np.unique(np.concatenate([gold, *others]))
        return Chosen(windows, mentions, within, entities, np.searchsorted(entities, gold))

    @staticmethod
    def _some(rows: npt.NDArray[np.int32], count: int, random: Random) -> NumberArray:
        """Draw `count` numbers of each row, those below 0 left out."""
        if not len(rows):
            return np.zeros(0, dtype=np.int64)
        drawn = np.where(rows < 0, 2.0, random.random(rows.shape))
        picked = np.take_along_axis(rows, np.argsort(drawn, axis=1)[:, :count], axis=1)
        return picked[picked >= 0].astype(np.int64)
