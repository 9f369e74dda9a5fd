"""A small real task for the training loop: a network with dropout learns to divide points into three kinds.

Run as a program, it trains in a folder and prints each step; it is killed by the tests.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from model.training.config import CheckpointsConfig, DataConfig, OptimisationConfig, TrainingConfig
from model.training.task import Status, Step, Task, TrainingResult

BATCH = 12
STEPS = 40


class SmallNetwork(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 16)
        self.norm = nn.LayerNorm(16)
        self.dropout = nn.Dropout(dropout)
        self.outer = nn.Linear(16, 3)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.outer(self.dropout(self.norm(torch.relu(self.inner(points)))))
        return scores


class SmallTask:
    """Points with labels; documents are named by their number, the `broken` one has values that are no numbers.

    A step has `batch` of them, or what `sizes` says of it.
    """

    def __init__(
        self,
        steps: int = STEPS,
        batch: int = BATCH,
        dropout: float = 0.2,
        broken: int | None = None,
        fingerprint: str = "points",
        sizes: Mapping[int, int] | None = None,
    ) -> None:
        self.steps = steps
        self.fingerprint = fingerprint
        self.evaluations = 0
        self.losses_asked: list[int] = []
        self._batch = batch
        self._sizes = sizes or {}
        random = np.random.default_rng(7)
        points = random.normal(size=(960, 6))
        kinds = np.argmax(points @ random.normal(size=(6, 3)), axis=1)
        if broken is not None:
            points[broken] = np.nan
        self._points = torch.tensor(points, dtype=torch.float32)
        self._kinds = torch.tensor(kinds)
        torch.manual_seed(3)
        self.module: nn.Module = SmallNetwork(dropout)

    def loss(self, step: int) -> Step:
        self.losses_asked.append(step)
        start = step * self._batch
        rows = torch.arange(start, start + self._sizes.get(step, self._batch)) % 900
        scores = self.module(self._points[rows])
        loss = nn.functional.cross_entropy(scores, self._kinds[rows])
        return Step(loss, {"kinds": float(loss.detach())}, len(rows), [f"doc-{row}" for row in rows.tolist()])

    def evaluate(self) -> dict[str, float]:
        assert not self.module.training
        self.evaluations += 1
        scores = self.module(self._points[900:])
        right = (scores.argmax(dim=1) == self._kinds[900:]).float().mean()
        return {"loss": float(nn.functional.cross_entropy(scores, self._kinds[900:])), "accuracy": float(right)}


def small_config(folder: Path, every_minutes: float = 60.0, keep: int = 3, **optimisation: Any) -> TrainingConfig:
    optimisation = {"learning_rate": 0.02, "epochs": 2, "threads": 1, "precision": "fp32"} | optimisation
    return TrainingConfig(
        data=DataConfig(documents=(Path("points.jsonl"),)),
        optimisation=OptimisationConfig(**optimisation),
        checkpoints=CheckpointsConfig(folder=folder, every_minutes=every_minutes, keep=keep),
    )


def weights_of(task: SmallTask) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in task.module.state_dict().items()}


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Tell whether all weights are the same to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def run(task: Task, config: TrainingConfig, progress: Callable[[Status], None] = lambda _: None) -> TrainingResult:
    """Train without any warning."""
    from model.training.loop import train

    def warn(message: str) -> None:
        raise AssertionError(message)

    return train(task, config, progress, warn=warn)


def main() -> None:
    """Train in a folder, slowly, and print each step; a checkpoint after every update."""

    def told(status: Status) -> None:
        print(status.step, flush=True)
        time.sleep(0.02)

    result = run(SmallTask(), small_config(Path(sys.argv[1]), every_minutes=0), told)
    print(result.summary(), flush=True)


if __name__ == "__main__":
    main()
