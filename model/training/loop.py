"""The training loop: what a task's loss says, the weights follow; interrupted at any moment, it goes on exactly there.

On the same processor with as many threads, a training that was interrupted gives the very weights of one that was not:
each step draws its data and its dropout from the seed and its own number alone. Sums on a GPU may differ in their last
digits.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import torch
from torch import nn

from model.training.checkpoints import START_ANEW, Checkpoint, CheckpointError, Checkpoints
from model.training.config import TrainingConfig
from model.training.history import Evaluation, History, loss_chart
from model.training.interrupts import Interrupts
from model.training.optimisation import learning_rate, make_optimiser, reseed, threads, uses_bf16
from model.training.scalars import Scalars
from model.training.task import Progress, Status, Task, TrainingError, TrainingResult, Warn

CHART = "loss.svg"
RECENT = 50  # updates from which speed is told
DRAWN_SECONDS = 60.0  # between two pictures, where checkpoints are written more often
MOST_NAMED = 20  # documents in a message
_LOG = logging.getLogger(__name__)


def train(
    task: Task,
    config: TrainingConfig,
    progress: Progress,
    *,
    fresh: bool = False,
    warn: Warn = _LOG.warning,
) -> TrainingResult:
    """Train a task's network, from its newest checkpoint on where there is one.

    A checkpoint is written every few minutes, at the end, before each evaluation, and on SIGINT or SIGTERM, which end
    training after the update that it is in. The folder of the checkpoints also gets `loss.svg` and, where TensorBoard
    is installed, its numbers.

    Args:
        progress: told after each update and each evaluation.
        fresh: remove the checkpoints that are there first.
        warn: told what went wrong without ending the training: a checkpoint that cannot be written or is damaged.

    Raises:
        TrainingError: a loss or a gradient is no finite number, or there is nothing to train on.
        CheckpointError: the checkpoints are of another training, or the last one cannot be written.
    """
    if task.steps < 1:
        raise TrainingError("There is nothing to train on: check the documents, and the share of held-out pages")
    with ExitStack() as stack:
        fingerprint = {**config.fingerprint, "documents": task.fingerprint, "steps": task.steps}
        checkpoints = Checkpoints(config.checkpoints.folder, config.checkpoints.keep, fingerprint, warn)
        stack.callback(checkpoints.close)
        stack.enter_context(threads(config.optimisation.threads))
        interrupts = stack.enter_context(Interrupts())
        if fresh:
            checkpoints.clear()
        loop = _Loop(task, config, checkpoints, progress, warn)
        stack.callback(loop.scalars.close)
        return loop.run(interrupts)


class _Loop:
    """A training while it runs. An update is a change of the weights, after `accumulate` steps."""

    def __init__(
        self, task: Task, config: TrainingConfig, checkpoints: Checkpoints, progress: Progress, warn: Warn
    ) -> None:
        self.task = task
        self.config = config
        self.settings = config.optimisation
        self.checkpoints = checkpoints
        self.progress = progress
        self.warn = warn
        self.updates = math.ceil(task.steps / self.settings.accumulate)
        epochs = self.settings.epochs
        self.marks = {math.ceil(self.updates * epoch / epochs) for epoch in range(1, epochs + 1)}
        self.parameters = [parameter for parameter in task.module.parameters() if parameter.requires_grad]
        self.optimiser = make_optimiser(task.module, self.settings)
        self.device = self.parameters[0].device
        self.bf16 = uses_bf16(self.settings.precision, self.device)
        self.history = History()
        self.resumed_at = self._resume()
        self.scalars = Scalars(checkpoints.folder, self.resumed_at, warn)
        self._names: list[str] = []
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self._saved = (len(self.history.losses), len(self.history.evaluations)) if self.resumed_at else None
        self._saved_at = self._drawn_at = time.monotonic()

    @property
    def done(self) -> int:
        """Updates done."""
        return len(self.history.losses)

    @property
    def step(self) -> int:
        """Steps done."""
        return min(self.done * self.settings.accumulate, self.task.steps)

    def run(self, interrupts: Interrupts) -> TrainingResult:
        """Train until the end or an interruption."""
        while interrupts.received is None:
            evaluations = self.history.evaluations
            if self.done in self.marks and not (evaluations and evaluations[-1].step == self.step):
                self._save()
                self._evaluate()
            if self.done >= self.updates:
                break
            self._update()
            if time.monotonic() - self._saved_at >= 60 * self.config.checkpoints.every_minutes:
                self._save()
        newest = self.checkpoints.newest() if self._save() else None
        if newest is None:
            raise CheckpointError(
                f"The last checkpoint could not be written to {self.checkpoints.folder}, and {self._kept()}: free some "
                "space there and train again, from that one on"
            )
        self._draw()
        return TrainingResult(self.step, self.task.steps, self.resumed_at, interrupts.received, newest, self.history)

    def _resume(self) -> int:
        """Take over the newest checkpoint; return its step, 0 where there is none."""
        checkpoint = self.checkpoints.load()
        if checkpoint is None:
            return 0
        try:
            self.task.module.load_state_dict(checkpoint.model)
            self.optimiser.load_state_dict(checkpoint.optimiser)
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self.checkpoints.newest()}: is of another network ({error}); {START_ANEW}"
            ) from error
        self.history = checkpoint.history
        return checkpoint.step

    def _update(self) -> None:
        """Run the steps of one update, and change the weights."""
        began = time.monotonic()
        rate = learning_rate(self.done, self.updates, self.settings)
        last = min(self.step + self.settings.accumulate, self.task.steps)
        self.task.module.train()
        self.optimiser.zero_grad(set_to_none=True)
        self._names = []
        sums: defaultdict[str, float] = defaultdict(float)
        mentions = sum(self._backward(step, sums) for step in range(self.step, last))
        if mentions:
            self._change_weights(rate, mentions)
        means = {name: value / mentions for name, value in sums.items()}
        self.history.losses.append(means.get("loss", math.nan))
        self._recent.append((time.monotonic() - began, mentions))
        status = self._status()
        losses = {f"training/{name}": value for name, value in means.items()}
        speed = {"learning_rate": rate, "mentions_per_second": status.mentions_per_second}
        self.scalars.write(self.step, losses | speed)
        self.progress(status)

    def _backward(self, step: int, sums: defaultdict[str, float]) -> int:
        """Add the gradients of a step's mentions, and their losses to `sums`; return how many they are."""
        reseed(self.settings.seed, step)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            made = self.task.loss(step)
        if not made.size:
            return 0
        losses = {**made.parts, "loss": float(made.loss.detach())}
        self._names += made.names
        if not math.isfinite(losses["loss"]):
            shown = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
            raise self._failure(f"The loss of step {step:,} is no finite number ({shown})", made.names)
        # Weighted by mentions, so that steps added up give what one large batch gives.
        torch.autograd.backward(made.loss.float() * made.size)
        for name, value in losses.items():
            sums[name] += value * made.size
        return made.size

    def _change_weights(self, rate: float, mentions: int) -> None:
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.div_(mentions)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.settings.clip))
        if not math.isfinite(norm):
            raise self._failure(f"The gradient of step {self.step:,} is no finite number ({norm})", self._names)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()

    def _failure(self, what: str, names: Sequence[str]) -> TrainingError:
        """Return the error for numbers that are not finite."""
        self._draw()
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return TrainingError(
            f"{what}; documents of its batch: {', '.join(names[:MOST_NAMED])}{more}; {self._kept()}. "
            "Look at these documents, or train anew with a smaller optimisation.learning_rate or with "
            'optimisation.precision = "fp32"',
            names,
        )

    def _evaluate(self) -> None:
        self.task.module.eval()
        reseed(self.settings.seed, -self.step)
        with torch.no_grad(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            values = {name: float(value) for name, value in self.task.evaluate().items()}
        self.history.evaluations.append(Evaluation(self.step, values))
        self.scalars.write(self.step, {f"evaluation/{name}": value for name, value in values.items()})
        self.progress(self._status(values))

    def _status(self, evaluation: Mapping[str, float] | None = None) -> Status:
        seconds = sum(seconds for seconds, _ in self._recent)
        mentions = sum(mentions for _, mentions in self._recent)
        left = (self.updates - self.done) * seconds / max(1, len(self._recent))
        speed = mentions / seconds if seconds else 0.0
        return Status(self.step, self.task.steps, self.history.losses[-1], speed, left, evaluation or {})

    def _save(self) -> bool:
        """Write a checkpoint unless there is one of this very state; return whether there is."""
        state = (self.done, len(self.history.evaluations))
        if state == self._saved:
            return True
        # One that fails is tried again as late as one that succeeds.
        self._saved_at = time.monotonic()
        made = Checkpoint(self.step, self.task.module.state_dict(), self.optimiser.state_dict(), self.history)
        try:
            self.checkpoints.save(made)
        except OSError as error:
            self.warn(
                f"The checkpoint of step {self.step:,} cannot be written to {self.checkpoints.folder} "
                f"({error.strerror}); training goes on, and {self._kept()}"
            )
            return False
        self._saved = state
        if time.monotonic() - self._drawn_at >= DRAWN_SECONDS:
            self._draw()
        return True

    def _kept(self) -> str:
        newest = self.checkpoints.newest()
        return f"the last good checkpoint is {newest}" if newest else "there is no checkpoint yet"

    def _draw(self) -> None:
        """Draw `loss.svg`, whole or not at all."""
        self._drawn_at = time.monotonic()
        path = self.checkpoints.folder / CHART
        unfinished = path.with_suffix(".unfinished")
        try:
            unfinished.write_text(loss_chart(self.history, self.settings.accumulate), encoding="utf-8")
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            self.warn(f"{path} cannot be written ({error.strerror})")
