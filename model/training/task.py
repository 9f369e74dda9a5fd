"""What the training loop works on, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from model.training.history import History


class TrainingError(RuntimeError):
    """Training cannot go on; `documents` are those of the batch at fault, if one is."""

    def __init__(self, message: str, documents: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.documents = tuple(documents)


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch gives.

    Attributes:
        loss: the mean over its mentions, with gradients.
        parts: what the loss is made of, by name, means too.
        size: mentions; a batch of 0 teaches nothing, and its loss is not looked at.
        names: ids of the documents in it.
    """

    loss: Tensor
    parts: Mapping[str, float]
    size: int
    names: Sequence[str]


class Task(Protocol):
    """What is trained, and on what."""

    @property
    def module(self) -> nn.Module:
        """The network, on the device where it is trained."""
        ...

    @property
    def steps(self) -> int:
        """Steps in all."""
        ...

    @property
    def fingerprint(self) -> str:
        """Another one for other documents: a training on those does not go on with these."""
        ...

    def loss(self, step: int) -> Step:
        """Return the loss of a step (from 0), always the same for the same weights and random state of torch.

        It is called under autocast where training is in bfloat16.
        """
        ...

    def evaluate(self) -> dict[str, float]:
        """Measure on held-out documents; called in evaluation mode, without gradients."""
        ...


@dataclass(frozen=True, slots=True)
class Status:
    """Where training is.

    Attributes:
        step, of: steps done, steps in all.
        loss: the mean loss of the last update.
        mentions_per_second: lately; without the time for evaluations and checkpoints.
        seconds_left: at that speed.
        evaluation: what was measured after this step, mostly nothing.
    """

    step: int
    of: int
    loss: float
    mentions_per_second: float
    seconds_left: float
    evaluation: Mapping[str, float] = field(default_factory=dict)


Progress = Callable[[Status], None]
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        steps, of: steps done, steps in all.
        resumed_at: steps that an earlier training had done.
        interrupted: the signal that ended it early, None where it is complete.
        checkpoint: the folder of its last checkpoint.
        history: losses and evaluations, from the first step on.
    """

    steps: int
    of: int
    resumed_at: int
    interrupted: str | None
    checkpoint: Path
    history: History = field(repr=False)

    def summary(self) -> str:
        """Say in two lines where training ended and how it goes on."""
        last = ", ".join(f"{name} {value:.4g}" for name, value in self._measured().items())
        done = f"{self.steps:,} of {self.of:,} steps{f' (went on at {self.resumed_at:,})' if self.resumed_at else ''}"
        if self.interrupted:
            return f"{done}, ended by {self.interrupted}\nThe same command goes on from {self.checkpoint}"
        return f"{done}{f'; {last}' if last else ''}\nWeights: {self.checkpoint}"

    def _measured(self) -> Mapping[str, float]:
        return self.history.evaluations[-1].values if self.history.evaluations else {}
