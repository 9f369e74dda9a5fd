"""Checkpoints: what is kept, and what happens when the disk is full, or they are damaged or of another training."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import orjson
import pytest
import torch
from safetensors.torch import load_file
from small_task import SmallTask, run, same_weights, small_config, weights_of

from model.training.checkpoints import FORMAT, Checkpoint, CheckpointError, Checkpoints, fingerprint_name
from model.training.history import Evaluation, History
from model.training.loop import train
from model.training.task import Status

PAGE = 4096


def checkpoint(step: int) -> Checkpoint:
    shared = torch.arange(6.0).reshape(2, 3)
    model = {"one": shared, "other": shared.T, "scale": torch.tensor(0.5)}
    history = History([0.1 + 0.2] * step, [Evaluation(step, {"accuracy": 1 / 3})])
    return Checkpoint(step, model, {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}, history)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, warnings: list[str]) -> Checkpoints:
    return Checkpoints(tmp_path / "made" / "checkpoints", 2, {"seed": 1, "files": ("a",)}, warnings.append)


def names(folder: Path) -> list[str]:
    """Return what is there, besides what is there always."""
    return sorted(path.name for path in folder.iterdir() if path.name not in {"lock", "tensorboard", "loss.svg"})


def trained(folder: Path, steps: int = 8) -> SmallTask:
    """Train to the end with a checkpoint after every update."""
    task = SmallTask(steps=steps)
    run(task, small_config(folder, every_minutes=0))
    return task


def test_what_is_saved_comes_back(checkpoints: Checkpoints) -> None:
    assert checkpoints.load() is None
    saved = checkpoint(3)
    path = checkpoints.save(saved)
    assert path.name == "000001-step-3"
    found = checkpoints.load()
    assert found is not None
    assert (found.step, found.history, found.optimiser) == (3, saved.history, saved.optimiser)
    assert same_weights(found.model, saved.model)
    assert same_weights(load_file(path / "model.safetensors"), saved.model)


def test_the_newest_are_kept(checkpoints: Checkpoints) -> None:
    for step in (9, 10, 10, 100):
        checkpoints.save(checkpoint(step))
    assert names(checkpoints.folder) == ["000003-step-10", "000004-step-100"]
    found = checkpoints.load()
    assert found is not None
    assert found.step == 100
    checkpoints.clear()
    assert names(checkpoints.folder) == []


def test_what_was_left_half_written_is_removed(checkpoints: Checkpoints) -> None:
    checkpoints.save(checkpoint(1))
    shutil.copytree(checkpoints.folder / "000001-step-1", checkpoints.folder / ".unfinished-000002-step-2")
    checkpoints.close()
    again = Checkpoints(checkpoints.folder, 2, {"seed": 1, "files": ("a",)}, print)
    assert names(again.folder) == ["000001-step-1"]
    again.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot be written to .*set another folder in \[checkpoints\]"):
        Checkpoints(tmp_path / "file" / "checkpoints", 2, {}, print)


@pytest.mark.parametrize("free_pages", [0, 1, 2, 3])
def test_a_full_disk(small_disk: Path, free_pages: int) -> None:
    """Training goes on without checkpoints, keeps the last good one, and goes on from it once there is space."""
    folder = small_disk / f"free-{free_pages}"
    filler = small_disk / "filler"
    warnings: list[str] = []

    def fill(status: Status) -> None:
        if status.step == 3 and not filler.exists():
            disk = os.statvfs(small_disk)
            filler.write_bytes(bytes((disk.f_bavail - free_pages) * PAGE))

    try:
        with pytest.raises(CheckpointError, match=r"last checkpoint could not be written .*free some space") as caught:
            train(SmallTask(steps=8), small_config(folder, every_minutes=0, keep=2), fill, warn=warnings.append)
        kept = ["000001-step-1", "000002-step-2"]
        assert names(folder) == kept
        assert f"the last good checkpoint is {folder / kept[1]}" in str(caught.value)
        refused = [warning for warning in warnings if "The checkpoint of step" in warning]
        assert (
            f"The checkpoint of step 3 cannot be written to {folder} (No space left on device); training" in refused[0]
        )
        assert len(refused) >= 6
    finally:
        filler.unlink(missing_ok=True)
    task = SmallTask(steps=8)
    result = run(task, small_config(folder, every_minutes=0, keep=2))
    assert result.resumed_at == 2
    undisturbed = SmallTask(steps=8)
    run(undisturbed, small_config(folder / "undisturbed"))
    assert same_weights(weights_of(task), weights_of(undisturbed))
    shutil.rmtree(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "state.pt", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_checkpoint(tmp_path: Path, file: str, damage: str) -> None:
    """The one before takes its place, with a warning, and training ends with the same weights."""
    before = trained(tmp_path)
    newest = names(tmp_path)[-1]
    path = tmp_path / newest / file
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    warnings: list[str] = []
    task = SmallTask(steps=8)
    result = train(task, small_config(tmp_path, every_minutes=0), lambda _: None, warn=warnings.append)
    (warning,) = warnings
    assert newest in warning
    assert f"it is now damaged-{newest}, and the one before is taken" in warning
    assert result.steps == 8
    assert same_weights(weights_of(task), weights_of(before))


def test_all_checkpoints_damaged(tmp_path: Path) -> None:
    trained(tmp_path)
    for name in names(tmp_path):
        (tmp_path / name / "state.pt").unlink()
    warnings: list[str] = []
    for _ in range(2):
        with pytest.raises(CheckpointError, match="all checkpoints are damaged; start anew with --fresh"):
            train(SmallTask(steps=8), small_config(tmp_path), lambda _: None, warn=warnings.append)
    assert len(warnings) == 3
    result = train(SmallTask(steps=8), small_config(tmp_path), lambda _: None, fresh=True, warn=warnings.append)
    assert (result.resumed_at, len(warnings)) == (0, 3)
    assert names(tmp_path) == ["000001-step-4", "000002-step-8", result.checkpoint.name]


def test_another_training_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    before = names(tmp_path)
    other = small_config(tmp_path, learning_rate=0.5)
    with pytest.raises(CheckpointError) as caught:
        run(SmallTask(steps=8, fingerprint="others"), other)
    message = str(caught.value)
    first = {**small_config(tmp_path).fingerprint, "documents": "points", "steps": 8}
    second = {**other.fingerprint, "documents": "others", "steps": 8}
    assert (
        f"another training ({fingerprint_name(first)}) than the one that is asked for ({fingerprint_name(second)})"
        in (message)
    )
    assert 'documents was "points" and is "others"; optimisation.learning_rate was 0.02 and is 0.5.' in message
    assert "--fresh" in message
    assert "another folder in [checkpoints]" in message
    assert names(tmp_path) == before


def test_what_may_change_does_not_stop_a_resume(tmp_path: Path) -> None:
    trained(tmp_path)
    result = run(SmallTask(steps=8), small_config(tmp_path, every_minutes=1, keep=1, threads=2))
    assert result.resumed_at == 8


def test_another_format_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    manifest = tmp_path / names(tmp_path)[-1] / "manifest.json"
    manifest.write_bytes(orjson.dumps({**orjson.loads(manifest.read_bytes()), "format": 2}))
    with pytest.raises(
        CheckpointError, match=rf"of format 2, and this Namesake reads {FORMAT}; start anew with --fresh"
    ):
        run(SmallTask(steps=8), small_config(tmp_path))
