"""Numbers for TensorBoard, where it is installed (`pip install namesake-ned[train]`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FOLDER = "tensorboard"


class Scalars:
    """Writes numbers by step into a folder; does nothing where TensorBoard is not installed.

    Args:
        folder: where the folder `tensorboard` is made.
        start: steps done; what an earlier training wrote of later ones is hidden.
        warn: told once that nothing more can be written (a full disk).
    """

    def __init__(self, folder: Path, start: int, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._writer: Any = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of libraries that TensorBoard loads
                from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._try(lambda: self._open(SummaryWriter, folder / FOLDER, start))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values at a step."""
        if self._writer:
            self._try(lambda: self._add(step, values))

    def close(self) -> None:
        """Write what waits."""
        if self._writer:
            self._try(self._writer.close)

    def _open(self, writer: Any, folder: Path, start: int) -> None:
        self._writer = writer(str(folder), purge_step=start + 1)

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            self._writer = None
            self._warn(f"TensorBoard's numbers cannot be written ({error}); training goes on without them")
