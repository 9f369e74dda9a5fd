"""Encoding for several threads at once, in the batches of all of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from model.encoder import FloatArray, Runner


@dataclass(slots=True)
class _Call:
    sequences: Sequence[Sequence[int]]
    result: list[FloatArray] | None = None
    error: Exception | None = None


class SharedBatches:
    """Runs together what several threads ask for while the runner is busy: a GPU is only fast with full batches.

    Nobody waits for others to come: whoever finds the runner free runs all that is waiting by then.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._waiting: list[_Call] = []
        self._adding = threading.Lock()
        self._running = threading.Lock()

    def run(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Encode sequences of wordpiece ids; see `model.encoder.Runner`."""
        call = _Call(sequences)
        with self._adding:
            self._waiting.append(call)
        with self._running:
            if call.result is None and call.error is None:
                with self._adding:
                    calls, self._waiting = self._waiting, []
                self._run(calls)
        if call.error is not None:
            raise call.error
        assert call.result is not None  # noqa: S101 - set with the others of its batch
        return call.result

    def _run(self, calls: Sequence[_Call]) -> None:
        try:
            results = self._runner.run([sequence for call in calls for sequence in call.sequences])
        except Exception as error:  # every thread that waits for this batch is told
            for call in calls:
                call.error = error
            return
        first = 0
        for call in calls:
            call.result = results[first : first + len(call.sequences)]
            first += len(call.sequences)
