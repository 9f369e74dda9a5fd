"""Snapshots that are cut, damaged, mixed or of another time are refused, with what to do, and can be built anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from snapshots import CITIES, TYPES, Builder

from kb.index import SnapshotFolders
from kb.snapshot import FORMAT, MANIFEST, SnapshotError, open_snapshot, read_manifest
from kb.type_table import snapshot_types
from model.encoder import Encoder

REMEDY = "run `namesake index build` to make a new one"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, starter_home: Path) -> Path:
    """A snapshot that no test changes."""
    root = tmp_path_factory.mktemp("whole")
    return Builder(root, encoder, starter_home / "cache" / "encodings").build()


@pytest.fixture
def snapshot(whole: Path, builder: Builder) -> Path:
    """A copy of it that the test may change, which is the current snapshot of `builder`."""
    builder.folders.root.mkdir(parents=True)
    copy = builder.folders.root / whole.name
    shutil.copytree(whole, copy)
    (builder.folders.root / "CURRENT").write_text(whole.name)
    return copy


def names(folder: Path) -> list[str]:
    return sorted(read_manifest(folder).files)


def refused(builder: Builder, *words: str) -> None:
    """Check that the current snapshot is refused in so many words, and that a build puts it right."""
    with pytest.raises(SnapshotError) as caught:
        builder.folders.open_current(builder.model_version)
    for word in (*words, REMEDY):
        assert word in str(caught.value)
    folder = builder.build(version=2)
    assert builder.folders.open_current(builder.model_version).manifest.kb_version == 2
    assert builder.left() == {"CURRENT", folder.name}


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / MANIFEST
    row = json.loads(path.read_text())
    edit(row)
    path.write_text(json.dumps(row))


def test_a_whole_snapshot_opens(builder: Builder, snapshot: Path) -> None:
    opened = builder.folders.open_current(builder.model_version)
    assert opened.folder == snapshot
    assert len(opened) == len(CITIES)
    assert opened.types == [item.id for item in TYPES]
    for record in CITIES:
        ordinal = opened.ordinal(record.id)
        assert ordinal is not None
        entity = opened.entity(ordinal)
        assert (entity.id, entity.label, entity.description) == (record.id, record.label, record.description)
        assert (entity.types, entity.xrefs) == (record.types, record.xrefs)
    assert opened.ordinal("nobody") is None
    types = snapshot_types(opened)
    assert {types.records[row].id for row in types.below(["place"])} == {"place", "city"}


def test_every_file_is_in_the_manifest(whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {*names(whole), MANIFEST}


def test_every_file_that_is_cut_damaged_or_missing_is_named(whole: Path, builder: Builder, snapshot: Path) -> None:
    for name in names(whole):
        path = snapshot / name
        good = path.read_bytes()
        middle = len(good) // 2
        damages = {
            "bytes where its manifest says": good[:-1],
            "bytes where its manifest say": good + b"\0",
            "does not have the hash": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            "bytes where its manifest sa": b"",
            f"lacks its file {name}": None,
        }
        for words, data in damages.items():
            if data is None:
                path.unlink()
            else:
                path.write_bytes(data)
            with pytest.raises(SnapshotError) as caught:
                open_snapshot(snapshot, builder.model_version)
            for word in (str(path.parent), name, words, REMEDY):
                assert word in str(caught.value)
        path.write_bytes(good)
    assert len(open_snapshot(snapshot)) == len(CITIES)


def test_a_damaged_snapshot_is_built_anew(builder: Builder, snapshot: Path) -> None:
    path = snapshot / "labels.bin"
    path.write_bytes(path.read_bytes()[:-1])
    refused(builder, "labels.bin", "cut, or of another build")


def test_files_of_another_snapshot(builder: Builder, snapshot: Path, encoder: Encoder, starter_home: Path) -> None:
    """Also those of the same size."""
    other = Builder(builder.folders.root.parent / "other", encoder, starter_home / "cache" / "encodings")
    changed = [replace(record, description="Sea", popularity=record.popularity + 1) for record in CITIES]
    theirs = other.build(changed, version=9)
    same_size = 0
    for name in names(snapshot):
        ours, foreign = (snapshot / name).read_bytes(), (theirs / name).read_bytes()
        if foreign != ours:
            same_size += len(foreign) == len(ours)
            (snapshot / name).write_bytes(foreign)
            with pytest.raises(SnapshotError, match=name):
                builder.folders.open_current()
            (snapshot / name).write_bytes(ours)
    assert same_size > 0
    (snapshot / "popularity.npy").write_bytes((theirs / "popularity.npy").read_bytes())
    refused(builder, "popularity.npy", "hash")


def test_the_manifest_of_another_snapshot(
    builder: Builder, snapshot: Path, encoder: Encoder, starter_home: Path
) -> None:
    other = Builder(builder.folders.root.parent / "other", encoder, starter_home / "cache" / "encodings")
    shutil.copy(other.build(CITIES[:3], version=9) / MANIFEST, snapshot / MANIFEST)
    refused(builder, str(snapshot))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda row: row.update(format=FORMAT + 1), "another format"),
        (lambda row: row.update(format=None), "another format"),
        (lambda row: row.pop("format"), "another format"),
        (lambda row: row.update(model_version="minilm-0-int8-p9"), "was built for model minilm-0-int8-p9"),
        (lambda row: row.pop("kb_version"), "damaged"),
        (lambda row: row.pop("files"), "damaged"),
        (lambda row: row.update(files=["labels.bin"]), "damaged"),
        (lambda row: row.update(files={"labels.bin": 5}), "damaged"),
        (lambda row: row.update(files={}), None),
        (lambda row: row.update(unknown=1), "damaged"),
    ],
)
def test_manifests_that_do_not_fit(
    builder: Builder, snapshot: Path, edit: Callable[[dict[str, Any]], object], words: str | None
) -> None:
    edit_manifest(snapshot, edit)
    if words is None:  # files that nobody vouches for are opened, and that they are there is all that is known
        assert len(builder.folders.open_current()) == len(CITIES)
        (snapshot / "labels.bin").unlink()
        refused(builder, str(snapshot), "cannot be opened")
        return
    refused(builder, str(snapshot), words)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1'])
def test_manifests_that_are_none(builder: Builder, snapshot: Path, data: bytes) -> None:
    (snapshot / MANIFEST).write_bytes(data)
    refused(builder, str(snapshot / MANIFEST))


def test_a_manifest_that_is_missing(builder: Builder, snapshot: Path) -> None:
    (snapshot / MANIFEST).unlink()
    refused(builder, str(snapshot), f"{MANIFEST} is missing")


@pytest.mark.parametrize("name", ["gone", "", "\n", "build.lock", "é" * 10])
def test_the_current_snapshot_is_not_there(builder: Builder, snapshot: Path, name: str) -> None:
    (builder.folders.root / "CURRENT").write_text(name)
    refused(builder, MANIFEST)


def test_garbage_for_the_name_of_the_current_snapshot(builder: Builder, snapshot: Path) -> None:
    (builder.folders.root / "CURRENT").write_bytes(b"\xff\xfe")
    refused(builder, MANIFEST)


def test_nothing_built_yet(tmp_path: Path) -> None:
    folders = SnapshotFolders(tmp_path, "default")
    assert folders.current() is None
    with pytest.raises(SnapshotError, match="No snapshot has been built yet"):
        folders.open_current()
