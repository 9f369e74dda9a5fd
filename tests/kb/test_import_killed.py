"""Imports that are killed at random moments: nothing committed is lost, nothing is half there, and they go on."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kb_files import NAMESAKE, PATIENCE, Kb, contents, people, written_lines
from wikidata_dump import person, write_dump

KILLS = int(os.environ.get("NAMESAKE_TEST_KILLS", "4"))  # the more, the longer


def assert_whole(kb: Kb) -> None:
    """Each entity has all its parts, one revision and one change."""
    ids = {key for (key,) in kb.sql("SELECT id FROM entity WHERE namespace = :namespace")}
    owners = {"alias": "entity_id", "entity_type": "entity_id", "relation": "subject_id", "xref": "entity_id"}
    for table_name, owner in (owners | {"revision": "entity_id", "change": "entity_id"}).items():
        statement = f"SELECT {owner}, count(*) FROM {table_name} WHERE namespace = :namespace GROUP BY 1"  # noqa: S608
        counts = dict(kb.sql(statement))
        counts.pop(None, None)  # of types and predicates
        assert set(counts) == ids, table_name
        if table_name in ("revision", "change"):
            assert set(counts.values()) <= {1}, table_name


def table(folder: Path, count: int) -> Path:
    path = folder / "people.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "aliases", "types", "relations.knows", "xrefs.wikidata"])
        for each in people(count):
            alias, edge = each["aliases"][0]["text"], each["relations"][0]["object"]
            writer.writerow([each["id"], each["label"], alias, "human", edge, each["xrefs"]["wikidata"]])
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "wikidata"])
def test_killed_at_random_moments(kb: Kb, kind: str) -> None:
    if kind == "csv":
        path, more = table(kb.folder, 12_000), []
    else:
        path = write_dump(kb.folder / "dump.json.gz", (person(number) for number in range(1, 6000)))
        more = ["--relation", "P19", "--min-sitelinks", "2"]
    moments = random.Random(7)
    done = killed = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [NAMESAKE, "kb", "import", path, *more],
            env=kb.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        began = time.monotonic()
        while process.poll() is None and written_lines(kb) <= done and time.monotonic() - began < PATIENCE:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        assert written_lines(kb) >= done
        done = written_lines(kb)
        assert_whole(kb)
        killed += process.returncode == -signal.SIGKILL
        if process.returncode == 0:
            break
    assert killed
    how = {"relations": ("P19",), "min_sitelinks": 2} if kind == "wikidata" else {}
    report = kb.load(path, **how)
    assert report.damage is None
    other = Kb(kb.engine, f"{kb.namespace}-whole", kb.folder)
    other.load(path, **how)
    found, expected = contents(kb), contents(other)
    assert found["records"] == expected["records"]
    assert found["sizes"] == expected["sizes"]
    assert_whole(kb)
