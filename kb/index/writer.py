"""Writing a snapshot's files into a folder that is not yet visible to readers."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from kb.snapshot import file_hash


class SnapshotWriter:
    """Writes files and remembers their sizes and hashes for the manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, tuple[int, str]] = {}

    def array(self, name: str, values: npt.NDArray[Any]) -> None:
        """Write `name`.npy."""
        path = self.folder / f"{name}.npy"
        try:
            with path.open("wb") as file:
                np.save(file, np.ascontiguousarray(values))
        except OSError as error:
            # numpy says how many numbers were written, not why the others were not.
            raise OSError(error.errno or errno.ENOSPC, error.strerror or "No space left on device", path) from error
        self.seal(f"{name}.npy")

    def json(self, name: str, value: object) -> None:
        """Write `name`.json."""
        (self.folder / f"{name}.json").write_bytes(orjson.dumps(value))
        self.seal(f"{name}.json")

    def blobs(self, name: str, offsets_name: str, blobs: Iterable[bytes]) -> None:
        """Write byte strings one after the other into `name`.bin, and where each starts into `offsets_name`.npy."""
        offsets = [0]
        with (self.folder / f"{name}.bin").open("wb") as file:
            for blob in blobs:
                file.write(blob)
                offsets.append(offsets[-1] + len(blob))
            if offsets[-1] == 0:
                file.write(b"\0")  # an empty file cannot be memory-mapped
        self.seal(f"{name}.bin")
        self.array(offsets_name, np.array(offsets, dtype=np.int64))

    def trie(self, name: str, trie: Any) -> None:
        """Write `name`.trie."""
        (self.folder / f"{name}.trie").write_bytes(trie.tobytes())
        self.seal(f"{name}.trie")

    def seal(self, name: str) -> None:
        """Put a written file on the disk for good and note its size and hash."""
        path = self.folder / name
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.files[name] = (path.stat().st_size, file_hash(path))
