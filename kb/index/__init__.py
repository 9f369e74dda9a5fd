"""Building snapshots: from the rows of Postgres to memory-mapped files."""

from kb.index.build import KbSource, PayloadEncoder, build_snapshot
from kb.index.folders import SnapshotFolders

__all__ = ["KbSource", "PayloadEncoder", "SnapshotFolders", "build_snapshot"]
