"""A knowledge base that five curators edit while fifty readers link: nothing is lost, old or late."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from live_load import SHARED, Load
from results import Results, percentile
from server import serving
from starter_service import new_home
from texts import cut, starter_documents

SECONDS = float(os.environ.get("NAMESAKE_BENCH_SECONDS", "60"))
READERS, WRITERS, WORKERS, COMPACT_AFTER = 50, 5, 4, 300
EDITS = 20
ALONE = 60.0  # seconds without writers are enough to tell a 95th percentile
NEW_SNAPSHOTS, LONG_ENOUGH = 2, 300.0  # how many are to be served meanwhile, and the seconds that their changes take
PATIENCE = 60.0


@pytest.fixture
def edited_home(starter_home: Path) -> Iterator[Path]:
    """A home of its own with the starter KB: the load edits it."""
    home = new_home()
    try:
        (home / "cache").symlink_to(starter_home / "cache")
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def namesake(home: Path, *arguments: str) -> str:
    env = os.environ | {"NAMESAKE_HOME": str(home)}
    command = [str(Path(sys.executable).with_name("namesake")), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.timeout(300 + 3 * SECONDS)
def test_readers_and_writers(edited_home: Path, benchmark: Any, results: Results) -> None:
    from kb.starter import files

    starter = files()
    names = ("--types", str(starter.types), "--predicates", str(starter.predicates))
    namesake(edited_home, "kb", "import", str(starter.entities), *names)
    namesake(edited_home, "index", "build")
    key = namesake(edited_home, "keys", "create", "--role", "curator").splitlines()[-1]
    settings = {
        "NAMESAKE_WORKERS": str(WORKERS),
        "NAMESAKE_THREADS": "1",
        "NAMESAKE_COMPACT_AFTER": str(COMPACT_AFTER),
        "NAMESAKE_RATE_LIMIT": "0",
    }
    with serving(edited_home, **settings) as server, httpx2.Client(base_url=server.base_url, timeout=60) as client:
        load = Load(server.base_url, key, cut(starter_documents().texts, words=30))
        load.run(READERS, 0, 10)  # every worker is warm
        alone = load.run(READERS, 0, min(SECONDS, ALONE))
        together = benchmark.pedantic(lambda: load.run(READERS, WRITERS, SECONDS), rounds=1)
        counts = {name: client.get(f"/v1/entities/{name}").json()["popularity"] for name in SHARED}
    problems = (alone.failed + together.failed + together.stale)[:10]
    lost = sum(together.counted.values()) - sum(counts.values())
    reads = f"{len(together.latencies):,} reads, {together.edits:,} edits in {SECONDS:.0f} s; {len(problems)} told"
    print(*problems, sep="\n")
    slower = percentile(together.latencies, 0.95) / percentile(alone.latencies, 0.95)
    of = f"{percentile(together.latencies, 0.95) * 1e3:.0f} ms against {percentile(alone.latencies, 0.95) * 1e3:.0f} ms"
    results.add("editing while linking: failed requests", len(alone.failed + together.failed), "", "<= 0", reads)
    results.add("editing while linking: reads older than 1 s", len(together.stale), "", "<= 0", reads)
    results.add("editing while linking: lost updates", abs(lost), "", "<= 0", f"{sum(counts.values())} counted up")
    results.add("editing while linking: p95 of reads", slower, "of that without writers", "<= 1.3", of)
    target = f">= {NEW_SNAPSHOTS}" if SECONDS >= LONG_ENOUGH else ""
    of = f"one every {COMPACT_AFTER} changed entities"
    results.add("editing while linking: new indexes served", len(together.snapshots) - 1, "", target, of)
    assert together.linkable, "no new entity was linked: let it run for longer"
    late = percentile(together.linkable, 0.95)
    of = f"median {percentile(together.linkable, 0.5):.2f} s, longest {max(together.linkable):.2f} s"
    results.add("edit to linkable, p95", late, "s", "<= 1", of)


def test_one_edit(home: Path, kb: str, benchmark: Any, results: Results) -> None:
    """Create entities one after the other, ask until each is linked, and delete them again."""
    key = namesake(home, "keys", "create", "--role", "curator").splitlines()[-1]
    with serving(home) as server, httpx2.Client(base_url=server.base_url, timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        seconds: list[float] = []
        benchmark.pedantic(lambda: seconds.extend(_linkable(client, number) for number in range(EDITS)), rounds=1)
    of = f"median {percentile(seconds, 0.5):.2f} s, longest {max(seconds):.2f} s of {EDITS}"
    results.add(f"an edit to linkable, p95, {kb} KB", percentile(seconds, 0.95), "s", "<= 1", of)


def _linkable(client: httpx2.Client, number: int) -> float:
    """Return the seconds from sending a new entity to the first answer that links it."""
    label = f"{chr(ord('A') + number)}uxborough Hamlet"
    body = {"text": f"They met in {label}.", "mentions": [{"start": 12, "end": 12 + len(label)}]}
    entity = {"id": f"bench:{label}", "label": label, "description": "A hamlet where they met", "types": ["place"]}
    started = time.perf_counter()
    client.post("/v1/entities", json=entity).raise_for_status()
    while True:
        (mention,) = client.post("/v1/disambiguate", json=body).raise_for_status().json()["mentions"]
        if mention["entity"] is not None and mention["entity"]["id"] == entity["id"]:
            break
        assert time.perf_counter() - started < PATIENCE, f"{label} was never linked"
    seconds = time.perf_counter() - started
    client.delete(f"/v1/entities/{entity['id']}", headers={"If-Match": "*"}).raise_for_status()
    return seconds
