"""In which order documents are trained on. Training can begin at any step, so it goes on where it stopped.

An epoch shows each document of a source as often as the source's rate says: once at 1, in every other epoch at 0.5
(never twice before all were seen), three times at 3. Documents of all sources are shuffled among each other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np

from model.training.documents import DocumentStore, NumberArray


class ScheduleError(ValueError):
    """A schedule cannot be made; the message says why and what to do."""


class Schedule:
    """An endless order of documents, the same for the same store, numbers, rates and seed.

    Args:
        store: the documents.
        numbers: those to draw from.
        rates: how often an epoch shows each document of a source; 1 for sources that are not named.
        seed: another order for another seed.

    Raises:
        ScheduleError: a rate is negative or of an unknown source, or there is nothing to draw.
    """

    def __init__(
        self, store: DocumentStore, numbers: NumberArray, rates: Mapping[str, float] | None = None, seed: int = 0
    ) -> None:
        rates = rates or {}
        for source, rate in rates.items():
            if source not in store.sources:
                known = ", ".join(store.sources)
                raise ScheduleError(f"rates: there is no source {source!r}; name one of {known}")
            if not 0 <= rate < float("inf"):
                raise ScheduleError(f"rates: {rate} of {source!r} is no rate; give 0 or more")
        sources = store.source_of[numbers]
        self._pools = [numbers[sources == row] for row in range(len(store.sources))]
        # Exact fractions: after ever so many epochs the counts are what the rates say.
        self._rates = [Fraction(rates.get(source, 1)).limit_denominator(10**6) for source in store.sources]
        self._seed = seed
        if not self._drawn(1000):
            raise ScheduleError("There are no documents to draw: check the rates, and the share of held-out pages")

    def epoch(self, number: int) -> NumberArray:
        """Return the documents of an epoch (from 0 on) in order."""
        parts = [
            self._draws(row, self._before(row, number), self._before(row, number + 1))
            for row in range(len(self._pools))
        ]
        documents = np.concatenate(parts)
        return np.random.default_rng((self._seed, 0, number)).permutation(documents)

    def batches(self, size: int, start: int = 0) -> Iterator[NumberArray]:
        """Yield the documents of each step from step `start` on, `size` at a time, without end, across epochs."""
        position = size * start
        epoch = bisect_right(range(position * 1000 + 1000), position, key=self._drawn) - 1
        skip = position - self._drawn(epoch)
        waiting: NumberArray = np.zeros(0, dtype=np.int64)
        while True:
            waiting = np.concatenate([waiting, self.epoch(epoch)[skip:]])
            epoch, skip = epoch + 1, 0
            whole = len(waiting) // size * size
            yield from waiting[:whole].reshape(-1, size)
            waiting = waiting[whole:]

    def _drawn(self, epoch: int) -> int:
        """Return how many documents are drawn before an epoch."""
        return sum(self._before(row, epoch) for row in range(len(self._pools)))

    def _before(self, row: int, epoch: int) -> int:
        """Return how many documents of a source are drawn before an epoch."""
        return int(epoch * len(self._pools[row]) * self._rates[row])

    def _draws(self, row: int, start: int, end: int) -> NumberArray:
        """Return the draws `start`:`end` of a source: all its documents in some order, then all in another."""
        pool = self._pools[row]
        if start == end:
            return np.zeros(0, dtype=np.int64)
        first, last = start // len(pool), (end - 1) // len(pool)
        passes = [self._pass(row, number) for number in range(first, last + 1)]
        return np.concatenate(passes)[start - first * len(pool) : end - first * len(pool)]

    def _pass(self, row: int, number: int) -> NumberArray:
        return np.random.default_rng((self._seed, 1, row, number)).permutation(self._pools[row])
