"""Files of documents, annotated by `namesake annotate`: how fast, and with how much memory."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from bare import BareEncoder, feeds, sequences_of
from memory import rollup, tree
from results import Results, timed
from texts import lines, starter_documents

if TYPE_CHECKING:
    from app.service import Service

DOCUMENTS = int(os.environ.get("NAMESAKE_BENCH_DOCUMENTS", "2000"))
REFERENCE = 300  # documents that the bare encoder reads before, and after
SETTLED = 0.25  # of the time passes before memory is compared: until then caches fill
NAMESAKE = str(Path(sys.executable).with_name("namesake"))


@dataclass
class Memory:
    """What the processes of a command held, in MiB, again and again.

    Attributes:
        seconds: when, since the start.
        anonymous: what cannot be read again from a file, of all processes together.
        shares: the largest of what the processes' shares of the memory that they hold (PSS) added up to.
        resident: the largest of what their resident memory added up to.
    """

    seconds: list[float] = field(default_factory=list)
    anonymous: list[float] = field(default_factory=list)
    shares: float = 0.0
    resident: float = 0.0

    def look(self, pid: int, seconds: float) -> None:
        """Add what a process and those that it started hold now, its database server left out."""
        held = [rollup(one) for one in tree(pid) if "postgres" not in psutil.Process(one).name()]
        self.seconds.append(seconds)
        self.anonymous.append(sum(one["anonymous"] for one in held))
        self.shares = max(self.shares, sum(one["pss"] for one in held))
        self.resident = max(self.resident, sum(one["rss"] for one in held))

    def slope(self, documents: int) -> float:
        """Return by how many MiB the anonymous memory grows in 1,000 documents, once caches are full."""
        first = int(len(self.seconds) * SETTLED)
        seconds, anonymous = self.seconds[first:], self.anonymous[first:]
        a_second = float(np.polyfit(seconds, anonymous, 1)[0])
        return a_second * self.seconds[-1] / documents * 1000


@contextmanager
def watched(pid: int) -> Iterator[Memory]:
    """Look at the memory of a process and those that it started, twice a second."""
    memory, ended = Memory(), threading.Event()
    started = time.monotonic()

    def watch() -> None:
        while not ended.wait(0.5):
            try:
                memory.look(pid, time.monotonic() - started)
            except (psutil.NoSuchProcess, OSError, KeyError):  # it ended meanwhile
                continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def texts(kb: str, request: pytest.FixtureRequest) -> list[str]:
    """Documents of the training corpus, of all its sources; or made of what the starter KB says."""
    if kb == "starter":
        return list(itertools.islice(itertools.cycle(starter_documents().texts), DOCUMENTS))
    path = request.getfixturevalue("shared_data") / "corpora"
    found = [item["text"] for file in sorted(path.glob("train*.jsonl.gz")) for item in lines(file)]
    return random.Random(1).sample(found, min(DOCUMENTS, len(found)))


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("workers", [1, 2])
def test_annotating_a_file(
    service: Service,
    home: Path,
    kb: str,
    texts: list[str],
    workers: int,
    tmp_path: Path,
    benchmark: Any,
    results: Results,
) -> None:
    encoder = service.linker.model.encoder
    bare = BareEncoder(home, encoder)
    pieces = sum(len(piece.ids) for piece in encoder.wordpieces(texts))
    before = bare_rate(bare, encoder, texts[:REFERENCE])
    memory = benchmark.pedantic(annotate, args=(home, texts, workers, tmp_path), rounds=1)
    after = bare_rate(bare, encoder, texts[-REFERENCE:])
    seconds = benchmark.stats.stats.data[-1]
    rate, reference = pieces / seconds, (before + after) / 2
    what = f"annotating {len(texts):,} documents, {workers} worker{'s' * (workers > 1)}, {kb} KB"
    of = f"{rate:,.0f} of {reference:,.0f} wordpieces/s; {len(texts) / seconds:.1f} documents/s"
    results.add(what, rate / reference, "of the bare encoder's wordpieces/s", ">= 0.75", of)
    of = f"at most {memory.resident:,.0f} MiB resident, {memory.shares:,.0f} with shared pages counted once"
    results.add(f"{what}: memory", memory.slope(len(texts)), "MiB more in 1,000 documents", "<= 1", of)


def bare_rate(bare: BareEncoder, encoder: Any, texts: Sequence[str]) -> float:
    """Return the wordpieces a second of the bare encoder."""
    sequences = sequences_of(encoder, texts)
    prepared = feeds(sequences)
    return sum(map(len, sequences)) / timed(lambda: bare.run(prepared))


def annotate(home: Path, texts: Sequence[str], workers: int, folder: Path) -> Memory:
    """Annotate texts with the command, and return what memory it held."""
    source, out = folder / "documents.jsonl", folder / "answers.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    env = os.environ | {"NAMESAKE_HOME": str(home)}
    command = [NAMESAKE, "annotate", str(source), str(out), "--workers", str(workers), "--force"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with watched(process.pid) as memory:
        _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert out.read_bytes().count(b"\n") == len(texts)
    return memory
