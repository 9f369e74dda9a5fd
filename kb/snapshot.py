"""A snapshot: the index files of one KB at one kb_version, for one model_version, memory-mapped.

A snapshot is a folder. Its manifest lists every file with its size and hash; a folder that does not agree with its
manifest, or whose manifest names another format or model, is refused.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import marisa_trie
import numpy as np
import numpy.typing as npt
import orjson

from kb.records import EntityRecord
from kb.sparse import IntArray, Rows

FORMAT = 4
MANIFEST = "manifest.json"
HalfArray = npt.NDArray[np.float16]


class SnapshotError(RuntimeError):
    """The snapshot cannot be used; the message says why and how to build a new one."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot holds: `files` maps a name to its size in bytes and its blake2b hash."""

    format: int
    namespace: str
    kb_version: int
    model_version: str
    entities: int
    aliases: int
    created_at: str
    files: dict[str, tuple[int, str]]


REBUILD = "run `namesake index build` to make a new one"


class Snapshot:
    """The opened files. Entities are named by their ordinal: the position of their id in the trie of ids."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.ids = _trie(folder / "entities.trie")
        self.aliases = _trie(folder / "aliases.trie")
        self.popularity: IntArray = self._array("popularity")
        self.names = self._rows("name_offsets", "names")
        self.alias_offsets: IntArray = self._array("alias_offsets")
        self.alias_entities: IntArray = self._array("alias_entities")
        self.alias_counts: IntArray = self._array("alias_counts")
        self.alias_totals: IntArray = self._array("alias_totals")
        self.alias_occurrences: IntArray = self._array("alias_occurrences")
        self.fuzzy_hashes: npt.NDArray[np.uint32] = self._array("fuzzy_hashes")
        self.fuzzy_aliases: IntArray = self._array("fuzzy_aliases")
        self.title_vectors: HalfArray = self._array("title_vectors")
        self.description_vectors: HalfArray = self._array("description_vectors")
        self.description_rows: IntArray = self._array("description_rows")
        self.usage_vectors: HalfArray = self._array("usage_vectors")
        self.usage_rows: IntArray = self._array("usage_rows")
        self.usage_links: IntArray = self._array("usage_links")
        self.entity_types = self._rows("type_offsets", "type_rows")
        self.type_vectors: HalfArray = self._array("type_vectors")
        self.neighbours = self._rows("neighbour_offsets", "neighbours")
        self.neighbour_predicates: IntArray = self._array("neighbour_predicates")
        self.word_hashes: npt.NDArray[np.uint32] = self._array("word_hashes")
        self.word_counts: IntArray = self._array("word_counts")
        self.words = self._rows("word_offsets", "words")
        self.described: int = orjson.loads((folder / "words.json").read_bytes())["described"]
        self._label_offsets: npt.NDArray[np.int64] = self._array("label_offsets")
        self._labels: npt.NDArray[np.uint8] = _bytes(folder / "labels.bin")
        self._record_offsets: npt.NDArray[np.int64] = self._array("record_offsets")
        self._records: npt.NDArray[np.uint8] = _bytes(folder / "records.bin")
        types = orjson.loads((folder / "types.json").read_bytes())
        self.types: list[str] = [row["id"] for row in types]
        self.type_labels: dict[str, str] = {row["id"]: row["label"] for row in types}
        self.type_parents: dict[str, str | None] = {row["id"]: row["parent"] for row in types}
        self.predicates: list[str] = orjson.loads((folder / "predicates.json").read_bytes())

    def _array(self, name: str) -> Any:
        # As a plain array over the mapped file: np.memmap does more work at every look-up than the look-up itself.
        return np.asarray(np.load(self.folder / f"{name}.npy", mmap_mode="r"))

    def _rows(self, offsets: str, members: str) -> Rows:
        return Rows(self._array(offsets), self._array(members))

    def __len__(self) -> int:
        return self.manifest.entities

    def ordinal(self, entity: str) -> int | None:
        """Return the ordinal of the entity with this id, or None."""
        found = self.ids.get(entity)
        return None if found is None else int(found)

    def entity_id(self, ordinal: int) -> str:
        """Return the id of the entity with this ordinal."""
        key: str = self.ids.restore_key(int(ordinal))
        return key

    def label(self, ordinal: int) -> str:
        """Return the entity's label."""
        return self.labels(np.array([ordinal]))[0]

    def labels(self, ordinals: npt.NDArray[np.integer[Any]]) -> list[str]:
        """Return the entities' labels."""
        starts, ends = self._label_offsets[ordinals].tolist(), self._label_offsets[ordinals + 1].tolist()
        text = self._labels.data
        return [str(text[start:end], "utf-8") for start, end in zip(starts, ends, strict=True)]

    def entity(self, ordinal: int) -> EntityRecord:
        """Return what an answer shows of the entity."""
        start, end = self._record_offsets[ordinal], self._record_offsets[ordinal + 1]
        row = orjson.loads(self._records[start:end].tobytes())
        return EntityRecord(
            self.entity_id(ordinal),
            self.label(ordinal),
            row["d"],
            types=tuple(row["t"]),
            xrefs=row["x"],
            popularity=int(self.popularity[ordinal]),
        )


def open_snapshot(folder: Path, model_version: str | None = None) -> Snapshot:
    """Check a snapshot against its manifest and open it.

    Args:
        folder: the snapshot's folder.
        model_version: the version that the caller's model has; None to accept any.

    Raises:
        SnapshotError: the folder or a file is missing, cut, damaged, of another format or of another model.
    """
    manifest = read_manifest(folder)
    if model_version is not None and manifest.model_version != model_version:
        raise SnapshotError(
            f"The snapshot {folder} was built for model {manifest.model_version}, this is {model_version}: {REBUILD}"
        )
    try:
        with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            list(pool.map(lambda item: _check_file(folder / item[0], *item[1]), manifest.files.items()))
        return Snapshot(folder, manifest)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"The snapshot {folder} cannot be opened ({error}): {REBUILD}") from error


def read_manifest(folder: Path) -> Manifest:
    """Read a snapshot's manifest.

    Raises:
        SnapshotError: there is none, or it cannot be understood.
    """
    path = folder / MANIFEST
    try:
        row = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise SnapshotError(f"{folder} holds no snapshot ({MANIFEST} is missing): {REBUILD}") from None
    except orjson.JSONDecodeError as error:
        raise SnapshotError(f"{path} is damaged ({error}): {REBUILD}") from None
    if not isinstance(row, dict) or row.get("format") != FORMAT:
        raise SnapshotError(f"{path} is of another format than {FORMAT}: {REBUILD}")
    try:
        files = {name: (int(size), str(digest)) for name, (size, digest) in row.pop("files").items()}
        return Manifest(files=files, **row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"{path} is damaged ({error}): {REBUILD}") from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and make certain that it is on the disk."""
    path = folder / MANIFEST
    with path.open("wb") as file:
        file.write(orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())


def file_hash(path: Path) -> str:
    """Return the blake2b hash (20 bytes, hexadecimal) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()


def _check_file(path: Path, size: int, digest: str) -> None:
    if not path.is_file():
        raise SnapshotError(f"The snapshot {path.parent} lacks its file {path.name}: {REBUILD}")
    found = path.stat().st_size
    if found != size:
        raise SnapshotError(
            f"{path} has {found} bytes where its manifest says {size} (cut, or of another build): {REBUILD}"
        )
    if file_hash(path) != digest:
        raise SnapshotError(f"{path} does not have the hash that its manifest says (damaged): {REBUILD}")


def _bytes(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))


def _trie(path: Path) -> Any:
    trie = marisa_trie.Trie()
    try:
        trie.mmap(str(path))
    except RuntimeError as error:  # what the library raises for all that goes wrong with a file
        raise OSError(f"{path}: {error}") from None
    return trie
