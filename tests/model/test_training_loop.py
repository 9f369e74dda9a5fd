"""The training loop on a small real task: resuming exactly, ending when asked, and what goes wrong on the way."""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_task import BATCH, STEPS, SmallNetwork, SmallTask, run, same_weights, small_config, weights_of

from model.training.checkpoints import CheckpointError
from model.training.config import OptimisationConfig
from model.training.history import Evaluation, History, loss_chart
from model.training.interrupts import Interrupts
from model.training.loop import train
from model.training.optimisation import learning_rate, make_optimiser, uses_bf16
from model.training.task import Status, TrainingError

PROJECT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("small_task.py")


def started(folder: Path) -> subprocess.Popen[str]:
    """Start a training in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder)],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        assert line.strip().isdigit(), line + process.stdout.read()
        if int(line) >= step:
            return
    raise AssertionError("it ended before")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, dict[str, torch.Tensor]]:
    """Losses, evaluations and weights of a training that nothing interrupted."""
    task = SmallTask()
    result = run(task, small_config(tmp_path_factory.mktemp("undisturbed")))
    return result.history, weights_of(task)


def test_it_learns(undisturbed: tuple[History, dict[str, torch.Tensor]]) -> None:
    history, _ = undisturbed
    assert len(history.losses) == STEPS
    assert [evaluation.step for evaluation in history.evaluations] == [STEPS // 2, STEPS]
    assert sum(history.losses[-5:]) < 0.6 * sum(history.losses[:5])
    assert history.evaluations[-1].values["accuracy"] > 0.7


def test_a_training_that_was_killed_gives_the_very_weights_of_one_that_was_not(
    undisturbed: tuple[History, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    for step in (7, 23):  # the second time from where it had gone on
        with started(tmp_path) as process:
            read_until(process, step)
            process.send_signal(signal.SIGKILL)
    task = SmallTask()
    result = run(task, small_config(tmp_path))
    assert result.resumed_at >= 22
    assert min(task.losses_asked) == result.resumed_at
    assert result.history == undisturbed[0]
    assert same_weights(weights_of(task), undisturbed[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_that_is_asked_to_end_says_how_it_goes_on(
    undisturbed: tuple[History, dict[str, torch.Tensor]], tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path) as process:
        read_until(process, 5)
        process.send_signal(number)
        assert process.stdout is not None
        said = process.stdout.read()
    assert process.returncode == 0, said
    assert f"of {STEPS} steps, ended by {number.name}\nThe same command goes on from {tmp_path}/0000" in said
    task = SmallTask()
    result = run(task, small_config(tmp_path))
    assert 5 <= result.resumed_at < STEPS
    assert result.history == undisturbed[0]
    assert same_weights(weights_of(task), undisturbed[1])
    assert f"{STEPS} of {STEPS} steps (went on at {result.resumed_at})" in result.summary()


def test_an_evaluation_that_was_interrupted_is_made_up_for(
    undisturbed: tuple[History, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    class Unlucky(SmallTask):
        def evaluate(self) -> dict[str, float]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Unlucky(), small_config(tmp_path))
    task = SmallTask()
    result = run(task, small_config(tmp_path))
    assert (result.resumed_at, task.evaluations) == (STEPS // 2, 2)
    assert result.history == undisturbed[0]


def test_what_is_complete_stays_as_it_is(tmp_path: Path) -> None:
    first = SmallTask(steps=6)
    before = run(first, small_config(tmp_path))
    again = SmallTask(steps=6)
    after = run(again, small_config(tmp_path))
    assert (again.losses_asked, again.evaluations) == ([], 0)
    assert (after.steps, after.checkpoint, after.history) == (6, before.checkpoint, before.history)
    assert same_weights(weights_of(first), weights_of(again))


def test_fresh_begins_anew(tmp_path: Path) -> None:
    run(SmallTask(steps=6), small_config(tmp_path))
    result = train(SmallTask(steps=4), small_config(tmp_path), lambda _: None, fresh=True)
    assert (result.steps, result.resumed_at) == (4, 0)


def test_a_loss_that_is_no_number_names_the_documents(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        run(SmallTask(broken=100), small_config(tmp_path, every_minutes=0))
    message = str(caught.value)
    assert "The loss of step 8 is no finite number (kinds nan, loss nan)" in message
    assert caught.value.documents == tuple(f"doc-{row}" for row in range(96, 108))
    assert "doc-100, " in message
    kept = tmp_path / "000008-step-8"
    assert f"the last good checkpoint is {kept}" in message
    assert kept.is_dir()
    assert "nan" not in (tmp_path / "loss.svg").read_text()


def test_a_gradient_that_is_no_number_changes_nothing(tmp_path: Path) -> None:
    task = SmallTask()
    before = weights_of(task)
    task.module.inner.weight.register_hook(lambda gradient: gradient * float("inf"))  # type: ignore[union-attr,operator]
    with pytest.raises(TrainingError, match=r"gradient of step 0 .*doc-0, .*there is no checkpoint yet") as caught:
        run(task, small_config(tmp_path, accumulate=2))
    assert len(caught.value.documents) == 24
    assert "doc-19 and 4 more" in str(caught.value)
    assert same_weights(before, weights_of(task))


@pytest.mark.parametrize("accumulate", [2, 3])
def test_steps_added_up_are_as_good_as_one_larger_batch(tmp_path: Path, accumulate: int) -> None:
    small, large = SmallTask(steps=12, dropout=0), SmallTask(steps=12 // accumulate, batch=12 * accumulate, dropout=0)
    one = run(small, small_config(tmp_path / "small", accumulate=accumulate))
    other = run(large, small_config(tmp_path / "large"))
    assert one.history.losses == pytest.approx(other.history.losses, rel=1e-4)
    for name, weight in weights_of(large).items():
        torch.testing.assert_close(weights_of(small)[name], weight, rtol=1e-4, atol=1e-5)


def test_steps_count_by_their_mentions(tmp_path: Path) -> None:
    uneven, whole = SmallTask(steps=2, dropout=0, sizes={1: 4}), SmallTask(steps=1, batch=BATCH + 4, dropout=0)
    one = run(uneven, small_config(tmp_path / "uneven", accumulate=2))
    other = run(whole, small_config(tmp_path / "whole"))
    assert one.history.losses == pytest.approx(other.history.losses, rel=1e-5)
    for name, weight in weights_of(whole).items():
        torch.testing.assert_close(weights_of(uneven)[name], weight, rtol=1e-4, atol=1e-5)


def test_an_update_without_mentions_leaves_the_weights_as_they_are(tmp_path: Path) -> None:
    task = SmallTask(steps=4, sizes={2: 0, 3: 0})
    weights = [weights_of(task)]
    result = run(task, small_config(tmp_path, accumulate=2, epochs=1), lambda _: weights.append(weights_of(task)))
    assert [math.isnan(loss) for loss in result.history.losses] == [False, True]
    assert not same_weights(weights[0], weights[1])
    assert same_weights(weights[1], weights[2])


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[Status] = []
    result = run(SmallTask(steps=6), small_config(tmp_path, accumulate=4, epochs=1), told.append)
    assert [(status.step, status.of) for status in told] == [(4, 6), (6, 6), (6, 6)]
    assert [status.loss for status in told[:2]] == result.history.losses
    assert all(status.mentions_per_second > 0 for status in told)
    assert told[0].seconds_left > told[1].seconds_left == 0
    assert [dict(status.evaluation) for status in told[:2]] == [{}, {}]
    assert told[2].evaluation == result.history.evaluations[0].values


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to train on: check the documents"):
        run(SmallTask(steps=0), small_config(tmp_path))


def test_a_second_training_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    def meanwhile(_: Status) -> None:
        with pytest.raises(CheckpointError, match="another training writes here"):
            run(SmallTask(), small_config(tmp_path))

    run(SmallTask(steps=1), small_config(tmp_path, epochs=1), meanwhile)


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    run(SmallTask(steps=2), small_config(tmp_path))
    other = SmallTask(steps=2)
    other.module = torch.nn.Sequential(SmallNetwork(0.0))
    with pytest.raises(CheckpointError, match=r"(?s)another network .*Missing key.*--fresh"):
        run(other, small_config(tmp_path))


def test_the_learning_rate_rises_in_a_line_and_falls_to_a_tenth() -> None:
    config = OptimisationConfig(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(update, 100, config) for update in range(100)]
    assert rates[:10] == pytest.approx([number / 10 for number in range(1, 11)])
    assert rates[10] == 1
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)
    assert learning_rate(0, 1, OptimisationConfig(learning_rate=1.0, warmup=0)) == 1


def test_only_matrices_decay() -> None:
    module = SmallNetwork(0.1)
    module.inner.bias.requires_grad = False
    decaying, others = make_optimiser(module, OptimisationConfig(weight_decay=0.3)).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.3, 0)
    assert [len(parameter.shape) for parameter in decaying["params"]] == [2, 2]
    assert len(others["params"]) == 3


def test_precision(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    assert uses_bf16("bf16", cpu)
    assert not uses_bf16("fp32", cpu)
    seen: set[torch.dtype] = set()

    class Watched(SmallTask):
        def loss(self, step: int):  # type: ignore[no-untyped-def]
            seen.add(self.module(self._points[:2]).dtype)
            return super().loss(step)

    task = Watched()
    result = run(task, small_config(tmp_path, precision="bf16"))
    assert seen == {torch.bfloat16}
    assert all(weight.dtype == torch.float32 for weight in weights_of(task).values())
    assert result.history.losses[-1] < result.history.losses[0]


def test_the_second_signal_does_what_it_always_did() -> None:
    # A shell lets what runs in the background ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupts.received == "SIGINT"
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_picture_of_the_loss(tmp_path: Path) -> None:
    run(SmallTask(), small_config(tmp_path))
    drawn = (tmp_path / "loss.svg").read_text()
    assert drawn.startswith("<?xml")
    many = History([1.0, float("nan"), *(1 / (1 + number) for number in range(100_000))], [Evaluation(50, {"f1": 0.5})])
    assert len(loss_chart(many)) < 200_000
    assert loss_chart(many) == loss_chart(many)
    assert loss_chart(History()).startswith("<?xml")


def test_numbers_for_tensorboard(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        run(SmallTask(steps=2), small_config(tmp_path))
        assert not (tmp_path / "tensorboard").exists()
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(SmallTask(), small_config(tmp_path))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"training/loss", "training/kinds", "learning_rate", "evaluation/accuracy"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("training/loss")] == list(range(1, STEPS + 1))
