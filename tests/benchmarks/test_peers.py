"""Namesake beside what else one could take: the same documents, the same entities, the same cores, in turns."""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from linkers import FIRST, Peer, Run, namesake
from results import Results
from texts import dev_documents, starter_documents

from kb.starter import files

PEERS = [
    Peer("spacy_linker", {"spaCy": [], "spaCy, prior only": ["--prior-only"]}),
    Peer("dictionary", {"flashtext2": []}),
]
EACH = 150  # documents of each source of the development corpus
STARTER = 300
ROUNDS = 3


@pytest.fixture(scope="module")
def entities(kb: str, request: pytest.FixtureRequest) -> Path:
    """The file with the entities of the knowledge base."""
    if kb == "starter":
        return files().entities
    return Path(request.getfixturevalue("shared_data")) / "wiki-kb/entities.jsonl.gz"


@pytest.fixture(scope="module")
def documents(kb: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the documents, each there once: what was linked before would be linked faster."""
    if kb == "starter":
        samples = [starter_documents(STARTER)]
    else:
        samples = dev_documents(request.getfixturevalue("shared_data"), EACH)
    texts = [text for sample in samples for text in sample.texts]
    random.Random(1).shuffle(texts)
    path = tmp_path_factory.mktemp("documents") / "documents.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts))
    return path


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the peers' virtual environments; kept where NAMESAKE_TEST_CACHE names a folder."""
    kept = os.environ.get("NAMESAKE_TEST_CACHE")
    return Path(kept).absolute() / "peers" if kept else tmp_path_factory.mktemp("peers")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.script)
def test_peer(
    peer: Peer,
    kb: str,
    home: Path,
    entities: Path,
    documents: Path,
    environments: Path,
    tmp_path: Path,
    benchmark: Any,
    results: Results,
) -> None:
    python = peer.environment(environments)
    linkers = [namesake(home), *peer.linkers(python, entities, tmp_path / "built")]
    rounds: list[list[Run]] = []
    benchmark.pedantic(lambda: rounds.append([linker.run(documents) for linker in linkers]), rounds=ROUNDS)
    ours, *theirs = zip(*rounds, strict=True)
    for linker, runs in zip(linkers[1:], theirs, strict=True):
        what = f"{linker.name}, {kb} KB"
        _add_speed(results, what, ours, runs)
        _add_memory(results, what, ours[-1], runs[-1])


def _add_speed(results: Results, what: str, ours: Sequence[Run], theirs: Sequence[Run]) -> None:
    ratio = statistics.median(
        b.documents_per_second / a.documents_per_second for a, b in zip(ours, theirs, strict=True)
    )
    fast, fast_theirs = (statistics.median(run.documents_per_second for run in runs) for runs in (ours, theirs))
    links = f"{theirs[0].links:,} links beside {ours[0].links:,}"
    of = f"{fast_theirs:,.1f} beside {fast:,.1f} documents/s; {links}"
    results.add(f"documents/s, {what}", ratio, "of Namesake's", of=of)
    start, start_theirs = (statistics.median(run.arrived[0] for run in runs) for runs in (ours, theirs))
    results.add(f"start to first {FIRST} answers, {what}", start_theirs, "s", of=f"beside {start:.1f} s")


def _add_memory(results: Results, what: str, ours: Run, theirs: Run) -> None:
    anonymous = f"anonymous {theirs.peak.anonymous:,.0f} beside {ours.peak.anonymous:,.0f}"
    of = f"beside {ours.peak.rss:,.0f}; {anonymous}; Namesake's Postgres {ours.database:,.0f} more"
    results.add(f"memory, {what}", theirs.peak.rss, "MiB resident", of=of)
