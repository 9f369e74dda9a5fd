"""Whatever moment a process is killed at: what it acknowledged is there, nothing is half there, the index converges."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from kb_files import PROJECT, Kb
from live_answers import name_facts
from snapshots import Builder, source_of

from kb.candidates import SnapshotSearch
from kb.database import snapshot_session
from kb.index import SnapshotFolders, build_snapshot
from kb.live.index import LiveIndex
from kb.records import AliasRecord, EntityRecord, RelationRecord, TypeRecord
from kb.snapshot import open_snapshot

MOMENTS = int(os.environ.get("NAMESAKE_TEST_MOMENTS", "3"))  # the more, the longer
WRITER = """
import itertools, sys
from sqlalchemy.orm import Session
from kb import editing
from kb.curation import Edit
from kb.database import make_engine
engine = make_engine(sys.argv[1])
for number in itertools.count(int(sys.argv[3])):
    with Session(engine) as session, session.begin():
        data = {"id": f"e{number}", "label": f"Entity {number}", "types": ["thing"], "xrefs": {"x": str(number)},
                "aliases": [{"text": f"Alias {number}"}], "relations": [{"predicate": "after", "object": "e0"}]}
        editing.create_entity(session, sys.argv[2], data, Edit("create"))
    print(number, flush=True)
"""


def killed_writer(kb: Kb, first: int, rng: random.Random) -> int:
    """Let a process create entities, kill it at some moment, and return how many creations it acknowledged."""
    url = kb.url.render_as_string(hide_password=False)
    arguments = [sys.executable, "-c", WRITER, url, kb.namespace, str(first)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        return 1 + len(process.stdout.read().splitlines())


def assert_whole(kb: Kb) -> int:
    """Check that every entity has all that belongs to it, and return how many there are."""
    sizes = kb.sizes()
    count = sizes["entity"]
    assert sizes["alias"] == 2 * count
    assert sizes["entity_type"] == sizes["xref"] == count
    # The type and the predicate have a revision and a change each, too; e0 is not related to itself.
    assert sizes["revision"] == sizes["change"] == count + sizes["type"] + sizes["predicate"]
    return count


def test_a_writer_that_is_killed(kb: Kb, builder: Builder) -> None:
    known = [
        EntityRecord("e0", "Entity 0", aliases=(AliasRecord("Alias 0"),), types=("thing",), xrefs={"x": "0"}),
        EntityRecord(
            "e1",
            "Entity 1",
            aliases=(AliasRecord("Alias 1"),),
            types=("thing",),
            relations=(RelationRecord("after", "e0"),),
            xrefs={"x": "1"},
        ),
    ]
    kb.put(*known)
    source = source_of(known, kb.version(), [TypeRecord("thing", "thing")], kb.namespace)
    folder = build_snapshot(source, builder.payloads, builder.folders, lambda *_: None)
    index = LiveIndex(SnapshotSearch(open_snapshot(folder)), builder.payloads, 10_000)
    rng = random.Random(1)
    acknowledged = assert_whole(kb)
    for _ in range(MOMENTS):
        acknowledged += killed_writer(kb, acknowledged, rng)
        there = assert_whole(kb)
        assert there - acknowledged in {0, 1}  # killed between the commit and its acknowledgement
        acknowledged = there
        with snapshot_session(kb.engine) as session:
            index.refresh(session)
        assert index.kb_version == kb.version()
        newest = f"Alias {there - 1}"
        assert name_facts(index.search, [newest])[newest]["bearers"] == [(f"e{there - 1}", 0)]


@pytest.mark.usefixtures("kb_engine")
def test_a_build_that_is_killed(kb: Kb, starter_home: Path) -> None:
    home = kb.folder / "home"
    home.mkdir()
    (home / "cache").symlink_to(starter_home / "cache")
    kb.put(*[EntityRecord(f"e{number}", f"Entity {number}") for number in range(300)])
    assert kb.command("index", "build").returncode == 0
    folders = SnapshotFolders(home / "snapshots", kb.namespace)
    rng = random.Random(2)
    for moment in range(MOMENTS):
        kb.put(EntityRecord(f"f{moment}", f"Fresh {moment}"))
        before = folders.current()
        with subprocess.Popen(
            [sys.executable, "-m", "app", "index", "build"],
            env=kb.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(1.0 + rng.random() * 3)
            process.kill()
        opened = SnapshotSearch(folders.open_current())
        assert opened.snapshot.folder == before or opened.kb_version == kb.version()
    assert kb.command("index", "build").returncode == 0
    opened = SnapshotSearch(folders.open_current())
    assert opened.kb_version == kb.version()
    newest = opened.ordinal(f"f{MOMENTS - 1}")
    assert opened.labels(np.array([newest])) == [f"Fresh {MOMENTS - 1}"]
    assert {path.name for path in folders.root.iterdir() if path.is_dir()} == {opened.snapshot.folder.name}
