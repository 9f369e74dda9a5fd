"""Building snapshots while things go wrong, and while others read and build."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from kb_files import NAMESAKE, Kb, entity
from snapshots import CITIES, Builder, source_of

from kb.candidates import SnapshotSearch
from kb.index import SnapshotFolders, build_snapshot
from kb.index.build import EmptyKbError
from kb.limits import LARGEST_COUNT
from kb.records import AliasRecord, EntityRecord
from kb.snapshot import open_snapshot
from model.encoder import Encoder

PATIENCE = 60.0
PAGE = 4096


def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


def test_a_new_snapshot_takes_the_place_of_the_old_one(builder: Builder) -> None:
    first = builder.build(version=1)
    second = builder.build(CITIES[:2], version=2)
    assert first != second
    assert builder.folders.current() == second
    assert builder.left() == {"CURRENT", second.name}
    opened = builder.folders.open_current()
    assert (opened.manifest.kb_version, len(opened)) == (2, 2)
    assert builder.build(CITIES[:2], version=2) != second  # the same version once more is another folder


def test_an_empty_knowledge_base_has_no_snapshot(builder: Builder) -> None:
    old = builder.build()
    with pytest.raises(EmptyKbError, match="namesake kb import"):
        builder.build([])
    assert builder.left() == {"CURRENT", old.name}


def test_counts_as_large_as_they_may_be(builder: Builder) -> None:
    """Also where two aliases of an entity are one when they are folded, and where two entities share it."""
    aliases = (AliasRecord("Big", LARGEST_COUNT), AliasRecord("BIG", LARGEST_COUNT))
    records = [EntityRecord(key, "Big", aliases=aliases, popularity=LARGEST_COUNT) for key in "ab"]
    builder.build(records)
    search = SnapshotSearch(builder.folders.open_current())
    row = search.alias_row("big")
    assert search.bearers(row)[1].tolist() == [LARGEST_COUNT, LARGEST_COUNT]
    assert search.alias_statistics(np.array([row]))[0, 0] == LARGEST_COUNT


def test_readers_go_on_with_the_old_snapshot(builder: Builder) -> None:
    old = builder.build()
    search = SnapshotSearch(builder.folders.open_current())
    builder.build([replace(record, label=f"New {record.label}") for record in CITIES], version=2)
    assert not old.exists()
    ordinal = search.ordinal("Q1")
    assert ordinal is not None
    assert search.labels(np.array([ordinal])) == ["Paris"]
    assert search.snapshot.entity(ordinal).description == "Capital of France"
    vector = search.titles(np.array([ordinal]))
    assert int(search.nearest(vector, 2)[0][0, 0]) in {search.ordinal("Q1"), search.ordinal("Q2")}
    assert search.kb_version == 1
    bearers, counts = search.bearers(search.alias_row("PARIS"))
    assert [search.entity_id(int(bearer)) for bearer in bearers] == ["Q1", "Q2"]
    assert counts.tolist() == [90, 9]


def test_readers_that_open_while_builds_end(builder: Builder) -> None:
    """Whoever opens the current snapshot gets one, whatever is put in its place and taken away at that moment."""
    builder.build()
    done = threading.Event()
    failures: list[BaseException] = []
    opened: set[int] = set()

    def read() -> None:
        try:
            while not done.is_set():
                opened.add(builder.folders.open_current(builder.model_version).manifest.kb_version)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in range(2, 22):
        builder.build(version=version)
    done.set()
    for reader in readers:
        reader.join(PATIENCE)
    assert not failures
    assert len(opened) > 1


def test_two_builds_at_once_in_one_process(builder: Builder) -> None:
    failures: list[BaseException] = []

    def build(version: int) -> None:
        try:
            builder.build(version=version)
        except BaseException as error:
            failures.append(error)

    builds = [threading.Thread(target=build, args=(version,)) for version in (1, 2, 3)]
    for thread in builds:
        thread.start()
    for thread in builds:
        thread.join(PATIENCE)
    assert not failures
    current = builder.folders.open_current().folder
    assert builder.left() == {"CURRENT", current.name}


def test_a_build_that_fails_leaves_the_old_snapshot(builder: Builder) -> None:
    old = builder.build()

    def stop(step: str, _done: int, _total: int) -> None:
        if step == "searchable vectors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_snapshot(source_of(CITIES, 2), builder.payloads, builder.folders, stop)
    assert builder.left() == {"CURRENT", old.name}
    assert builder.folders.open_current().manifest.kb_version == 1


@pytest.mark.parametrize("free_pages", [0, 1, 2, 5, 9, 14, 20, 30, 45, 60, 75])
def test_a_full_disk(small_disk: Path, encoder: Encoder, starter_home: Path, free_pages: int) -> None:
    """Wherever in the build the space ends, the old snapshot goes on, and nothing of the new one stays."""
    builder = Builder(small_disk / f"free-{free_pages}", encoder, starter_home / "cache" / "encodings")
    old = builder.build()
    many = [EntityRecord(f"e{number}", f"City {number % 5}", popularity=number) for number in range(200)]
    filler = small_disk / "filler"
    try:
        disk = os.statvfs(small_disk)
        filler.write_bytes(bytes((disk.f_bavail - free_pages) * PAGE))
        with pytest.raises(OSError, match=r"(?i)no space left on device"):
            builder.build(many, version=2)
        assert builder.left() == {"CURRENT", old.name}
        assert builder.folders.open_current(builder.model_version).manifest.kb_version == 1
        free = os.statvfs(small_disk).f_bavail
        assert free >= free_pages - 1
    finally:
        filler.unlink(missing_ok=True)
    new = builder.build(many, version=2)
    assert builder.left() == {"CURRENT", new.name}
    for path in new.iterdir():
        path.unlink()


def test_a_build_that_is_killed(kb: Kb, starter_home: Path) -> None:
    """The old snapshot goes on; the next build takes away what the killed one left."""
    kb.load([entity("a", "Anna", description="one"), entity("b", "Bert")])
    home = kb.folder / "home"
    home.mkdir()
    (home / "cache").mkdir()
    (home / "cache" / "encoder").symlink_to(starter_home / "cache" / "encoder")
    built = kb.command("index", "build")
    assert built.returncode == 0, built.stderr
    folders = SnapshotFolders(home / "snapshots", kb.namespace)
    old = folders.newest()
    kb.load([entity("c", "Carla", description="a text that was never encoded")])
    (encodings,) = (home / "cache" / "encodings").iterdir()
    # Encoding waits for this lock, in the midst of the build.
    with FileLock(encodings / "lock"):
        process = subprocess.Popen(
            [NAMESAKE, "index", "build"],
            env=kb.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(lambda: list(folders.root.glob(".building-*/predicates.json")) or process.poll() is not None)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert list(folders.root.glob(".building-*"))
    assert len(open_snapshot(folders.newest())) == 2
    assert folders.newest() == old
    # Two at once, to save the time of a test of its own: the second waits for the first.
    builds = [
        subprocess.Popen([NAMESAKE, "index", "build"], env=kb.environment(), stderr=subprocess.PIPE, stdout=-3)
        for _ in range(2)
    ]
    for build in builds:
        _, errors = build.communicate(timeout=PATIENCE)
        assert build.returncode == 0, errors
    snapshot = folders.open_current()
    assert (len(snapshot), snapshot.manifest.kb_version) == (3, kb.version())
    left = {path.name for path in folders.root.iterdir()}
    assert left == {"CURRENT", "build.lock", snapshot.folder.name}
