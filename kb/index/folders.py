"""Where snapshots live: one folder a build, and a file that names the current one."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kb.snapshot import Snapshot, SnapshotError, open_snapshot

CURRENT = "CURRENT"
BUILDING = ".building-"


class SnapshotFolders:
    """The snapshots of one namespace below `root`."""

    def __init__(self, root: Path, namespace: str) -> None:
        self.root = root / namespace

    def current(self) -> Path | None:
        """Return the folder of the current snapshot, or None before the first build."""
        try:
            name = (self.root / CURRENT).read_text(errors="replace").strip()
        except FileNotFoundError:
            return None
        return self.root / name

    def newest(self) -> Path:
        """Return the folder of the current snapshot.

        Raises:
            SnapshotError: none has been built yet.
        """
        folder = self.current()
        if folder is None:
            raise SnapshotError(f"No snapshot has been built yet in {self.root}: run `namesake index build`")
        return folder

    def open_current(self, model_version: str | None = None) -> Snapshot:
        """Open the current snapshot.

        Raises:
            SnapshotError: there is none yet, or it is damaged or of another model.
        """
        folder = self.newest()
        while True:
            try:
                return open_snapshot(folder, model_version)
            except SnapshotError:
                # A build that ended just now takes the files of the one before away.
                newer = self.newest()
                if newer == folder:
                    raise
                folder = newer

    @contextmanager
    def building(self, name: str) -> Iterator[Path]:
        """Give an empty folder to build in; when the block ends well, it becomes the current snapshot, all at once.

        An exception (a full disk, say) removes the unfinished folder and leaves the current snapshot as it is. One
        build at a time: a second waits.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / "build.lock"):
            for leftover in self.root.glob(f"{BUILDING}*"):
                shutil.rmtree(leftover)
            unfinished = self.root / f"{BUILDING}{uuid.uuid4().hex[:8]}"
            pointer = self.root / f"{CURRENT}.new"
            unfinished.mkdir()
            try:
                yield unfinished
                final = self.root / f"{name}-{uuid.uuid4().hex[:6]}"
                with pointer.open("w") as file:
                    file.write(final.name)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                pointer.unlink(missing_ok=True)
                raise
            self._publish(unfinished, final, pointer)

    def clear(self) -> None:
        """Delete all snapshots, unless one is being built; a process that has one open keeps it until it lets go."""
        if not self.root.is_dir():
            return
        with suppress(Timeout), FileLock(self.root / "build.lock", blocking=False):
            (self.root / CURRENT).unlink(missing_ok=True)
            for folder in self.root.iterdir():
                if folder.is_dir():
                    shutil.rmtree(folder, ignore_errors=True)

    def _publish(self, unfinished: Path, final: Path, pointer: Path) -> None:
        """Put a snapshot and the file that names it in place; this needs no more space on the disk."""
        unfinished.rename(final)
        pointer.replace(self.root / CURRENT)
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # A process that has the older files mapped keeps them until it lets go.
        for folder in self.root.iterdir():
            if folder.is_dir() and folder != final:
                shutil.rmtree(folder, ignore_errors=True)
