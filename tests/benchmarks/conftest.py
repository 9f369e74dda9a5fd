"""What the benchmarks share: the knowledge bases, the texts, and the table of results at the end.

They run with `make bench` alone: without `--benchmark-only` their files are not even read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from results import Result, Results, table
from texts import Sample, cut, dev_documents, starter_documents

if TYPE_CHECKING:
    from app.service import Service
    from app.settings import Settings
    from model.encoder import Encoder

RESULTS = pytest.StashKey[list[Result]]()
KBS = ("starter", "whole")
NO_HOME = (
    "NAMESAKE_BENCH_HOME names no home with the whole development KB; to prepare one, in a folder that is kept: "
    "NAMESAKE_HOME=/var/lib/namesake-bench namesake kb import wiki-kb/entities.jsonl.gz --types wiki-kb/types.jsonl.gz "
    "--predicates wiki-kb/predicates.jsonl.gz; NAMESAKE_HOME=/var/lib/namesake-bench namesake index build"
)


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if config.getoption("benchmark_only", default=False) else True


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[RESULTS]:
        terminalreporter.section("results")
        for line in table(config.stash[RESULTS]):
            terminalreporter.write_line(line)


@pytest.fixture
def results(benchmark: Any, request: pytest.FixtureRequest) -> Results:
    """Takes what a benchmark found: it goes into the table at the end and into `extra_info` of --benchmark-json."""
    return Results(benchmark, request.config.stash[RESULTS])


@pytest.fixture(scope="module", params=KBS)
def kb(request: pytest.FixtureRequest) -> str:
    """Which knowledge base a benchmark works on."""
    return str(request.param)


@pytest.fixture(scope="module")
def home(kb: str, request: pytest.FixtureRequest) -> Path:
    """A home with that knowledge base and its index; who edits it takes the edits back."""
    if kb == "starter":
        return Path(request.getfixturevalue("starter_home"))
    named = os.environ.get("NAMESAKE_BENCH_HOME")
    if not named:
        pytest.skip(NO_HOME)
    if not Path(named, "snapshots").is_dir():
        pytest.skip(f"{named} has no index: {NO_HOME}")
    return Path(named)


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    from app.settings import Settings

    return Settings(home=home, database_url=None)


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[Service]:
    """The opened service, in this process."""
    from app.service import open_service

    with open_service(settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def encoder(starter_home: Path) -> Encoder:
    """The int8 encoder that the service uses on a CPU."""
    from model.encoder import load_encoder

    return load_encoder(starter_home / "cache" / "encoder")


@pytest.fixture(scope="module")
def samples(kb: str, request: pytest.FixtureRequest) -> list[Sample]:
    """Documents to link: of each source of the development corpus, or made of what the starter KB says."""
    if kb == "starter":
        return [starter_documents()]
    return dev_documents(request.getfixturevalue("shared_data"))


@pytest.fixture(scope="module")
def short_texts(samples: list[Sample]) -> list[str]:
    """Texts of 30 words each."""
    return [text for sample in samples for text in cut(sample.texts, words=30)][:40]


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes at the end of the test whatever is put on it."""
    with ExitStack() as stack:
        yield stack
