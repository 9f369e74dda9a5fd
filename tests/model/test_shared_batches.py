"""Threads that encode at the same time share batches, and each gets its own vectors."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from model.encoder import Backend, Encoder, FloatArray
from model.shared_batches import SharedBatches

TEXTS = ["Paris", "Lincoln is the capital of Nebraska.", "Mercury is closer to the Sun than Venus. " * 8] * 4


class Gated:
    """A runner that waits for a sign, and remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.began, self.go_on = threading.Event(), threading.Event()

    def run(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        self.batches.append(len(sequences))
        self.began.set()
        assert self.go_on.wait(30)
        if any(99 in sequence for sequence in sequences):
            raise ValueError("99 cannot be encoded")
        return [np.full((len(sequence), 2), sequence[0], np.float32) for sequence in sequences]


def test_what_comes_while_the_runner_is_busy_goes_together() -> None:
    gated = Gated()
    shared = SharedBatches(gated)
    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(shared.run, [[1]])
        assert gated.began.wait(30)
        others = [threads.submit(shared.run, [[number], [number, number]]) for number in range(2, 7)]
        while len(shared._waiting) < 5:
            pass
        gated.go_on.set()
        assert first.result()[0].shape == (1, 2)
        for number, future in enumerate(others, start=2):
            one, two = future.result()
            assert (one.shape, two.shape) == ((1, 2), (2, 2))
            assert {float(one[0, 0]), float(two[0, 0])} == {float(number)}
    assert gated.batches == [1, 10]


def test_an_error_reaches_all_who_shared_the_batch_and_nobody_after_them() -> None:
    gated = Gated()
    gated.go_on.set()
    shared = SharedBatches(gated)
    with pytest.raises(ValueError, match="99 cannot be encoded"):
        shared.run([[99]])
    assert len(shared.run([[1], [2]])) == 2


def test_threads_get_the_vectors_that_they_get_alone(encoders: dict[Backend, Encoder]) -> None:
    encoder = encoders["torch"]
    pieces = [piece.ids for piece in encoder.wordpieces(TEXTS)]
    alone = [encoder.hidden([ids])[0] for ids in pieces]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda ids: encoder.hidden([ids])[0], pieces))
    for one, other in zip(alone, together, strict=True):
        assert one.shape == other.shape
        assert float(np.abs(one - other).max()) < 1e-4
