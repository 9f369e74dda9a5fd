"""Training on disk, so that it goes on where it stopped.

Each checkpoint is a folder, `000007-step-1200`, that appears when everything is in it: `model.safetensors` (the
network's weights), `state.pt` (the optimiser and what was reached so far) and `manifest.json` (format, step, what was
set, sizes and hashes). No state of a random generator is kept, because each step begins from its own seed.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from model.training.history import Evaluation, History

FORMAT = 1
MODEL, STATE, MANIFEST = "model.safetensors", "state.pt", "manifest.json"
NAME = re.compile(r"(\d{6,})-step-\d+")
UNFINISHED, DAMAGED = ".unfinished-", "damaged-"
START_ANEW = "start anew with --fresh, which removes them, or set another folder in [checkpoints]"


class CheckpointError(RuntimeError):
    """Training cannot go on from what is in the folder, or cannot write there; the message says why and what to do."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint is incomplete or was changed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that training needs to go on.

    Attributes:
        step: steps done.
        model: the network's weights by name.
        optimiser: as `torch.optim.Optimizer.state_dict` gives it.
        history: what was reached.
    """

    step: int
    model: dict[str, Tensor]
    optimiser: dict[str, Any]
    history: History


class Checkpoints:
    """The checkpoints of one training, of which the newest `keep` stay.

    Args:
        folder: made if it is not there.
        keep: at least 1.
        fingerprint: all that must be equal for a training to go on, by name.
        warn: told of what is damaged.

    Raises:
        CheckpointError: the folder cannot be written to, or another training writes there.
    """

    def __init__(self, folder: Path, keep: int, fingerprint: Mapping[str, object], warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._keep = keep
        # As it comes back from a file, so that it can be compared.
        self._fingerprint: dict[str, object] = orjson.loads(orjson.dumps(dict(fingerprint)))
        self._warn = warn
        self._lock = FileLock(folder / "lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise CheckpointError(
                f"{folder}: another training writes here; wait until it ends, or set another folder in [checkpoints]"
            ) from None
        except OSError as error:
            raise CheckpointError(
                f"{folder}: cannot be written to ({error.strerror}); set another folder in [checkpoints]"
            ) from error
        for leftover in folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def close(self) -> None:
        """Let others write to the folder."""
        self._lock.release()

    def clear(self) -> None:
        """Remove all checkpoints."""
        for path in [*self._all(), *self.folder.glob(f"{DAMAGED}*")]:
            self._remove(path)

    def newest(self) -> Path | None:
        """Return the folder of the newest checkpoint, if there is one."""
        return next(reversed(self._all()), None)

    def load(self) -> Checkpoint | None:
        """Return the newest good checkpoint, None where there is none yet; damaged ones are set aside with a warning.

        Raises:
            CheckpointError: it is of another training or format, or all there are are damaged.
        """
        for path in reversed(self._all()):
            try:
                return self._read(path)
            except DamagedCheckpointError as error:
                aside = self.folder / f"{DAMAGED}{path.name}"
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
                self._warn(f"{error}; it is now {aside.name}, and the one before is taken")
        if next(self.folder.glob(f"{DAMAGED}*"), None):
            raise CheckpointError(f"{self.folder}: all checkpoints are damaged; {START_ANEW}")
        return None

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, and remove those that are too many.

        Raises:
            OSError: it cannot be written (a full disk); those that were there stay, and nothing of it.
        """
        state = {
            "optimiser": checkpoint.optimiser,
            "losses": torch.tensor(checkpoint.history.losses, dtype=torch.float64),
            "evaluations": [(e.step, dict(e.values)) for e in checkpoint.history.evaluations],
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)
        # Copies: tensors that share memory cannot be stored as they are.
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in checkpoint.model.items()}
        newest = self.newest()
        number = int(newest.name.partition("-")[0]) + 1 if newest else 1
        path = self._write(
            f"{number:06d}-step-{checkpoint.step}", checkpoint.step, save_tensors(tensors), buffer.getvalue()
        )
        for old in self._all()[: -self._keep]:
            self._remove(old)
        return path

    def _write(self, name: str, step: int, model: bytes, state: bytes) -> Path:
        files = {MODEL: model, STATE: state}
        manifest = {
            "format": FORMAT,
            "step": step,
            "fingerprint": self._fingerprint,
            "files": {file: [len(content), _hash(content)] for file, content in files.items()},
        }
        files[MANIFEST] = orjson.dumps({**manifest, "hash": _seal(manifest)}, option=orjson.OPT_INDENT_2)
        unfinished, final = self.folder / f"{UNFINISHED}{name}", self.folder / name
        try:
            unfinished.mkdir()
            for file, content in files.items():
                _write_through(unfinished / file, content)
            _sync(unfinished)
            unfinished.rename(final)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _sync(self.folder)
        return final

    def _read(self, path: Path) -> Checkpoint:
        manifest = _manifest(path)
        self._compare(path, manifest["fingerprint"])
        model, state = (_checked(path / file, *manifest["files"][file]) for file in (MODEL, STATE))
        try:
            stored = torch.load(io.BytesIO(state), weights_only=True, map_location="cpu")
            history = History(stored["losses"].tolist(), [Evaluation(*e) for e in stored["evaluations"]])
            return Checkpoint(manifest["step"], load_tensors(model), stored["optimiser"], history)
        except (SafetensorError, pickle.UnpicklingError, RuntimeError, KeyError, TypeError) as error:
            raise DamagedCheckpointError(f"{path} cannot be read ({error})") from error

    def _compare(self, path: Path, other: Mapping[str, object]) -> None:
        """Refuse a checkpoint of a training that is set differently."""
        names = sorted({*other, *self._fingerprint})
        differences = [
            f"{name} was {_shown(other.get(name))} and is {_shown(self._fingerprint.get(name))}"
            for name in names
            if other.get(name) != self._fingerprint.get(name)
        ]
        if differences:
            raise CheckpointError(
                f"{path}: is of another training ({fingerprint_name(other)}) than the one that is asked for "
                f"({fingerprint_name(self._fingerprint)}): {'; '.join(differences)}. Set what it was, or {START_ANEW}"
            )

    def _all(self) -> list[Path]:
        """Return all whole checkpoints, the oldest first."""
        found = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.name.partition("-")[0]))

    def _remove(self, path: Path) -> None:
        # Under another name first, so that one that is half removed is not taken for a checkpoint.
        leftover = self.folder / f"{UNFINISHED}{path.name}"
        path.rename(leftover)
        shutil.rmtree(leftover, ignore_errors=True)


def fingerprint_name(fingerprint: Mapping[str, object]) -> str:
    """Return a short name for a fingerprint: equal for equal ones."""
    return hashlib.blake2b(orjson.dumps(fingerprint, option=orjson.OPT_SORT_KEYS), digest_size=4).hexdigest()


def _manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint, checked."""
    try:
        manifest: dict[str, Any] = orjson.loads((path / MANIFEST).read_bytes())
        known, seal = manifest["format"], manifest.pop("hash")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedCheckpointError(f"{path} has no manifest that can be read ({error})") from error
    if known != FORMAT:
        raise CheckpointError(f"{path}: is of format {known}, and this Namesake reads {FORMAT}; {START_ANEW}")
    if seal != _seal(manifest):
        raise DamagedCheckpointError(f"{path / MANIFEST} is damaged")
    return manifest


def _checked(file: Path, size: int, digest: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DamagedCheckpointError(f"{file} cannot be read ({error.strerror})") from error
    if len(content) != size or _hash(content) != digest:
        raise DamagedCheckpointError(f"{file} is damaged ({len(content)} bytes, {size} were written)")
    return content


def _write_through(file: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seal(manifest: Mapping[str, object]) -> str:
    return _hash(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS))


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _shown(value: object) -> str:
    return orjson.dumps(value).decode()
