"""How fast entities come into a fresh embedded Postgres."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from results import Results
from starter_service import new_home
from texts import first_lines

SOME = 60_000
TARGET = ">= 10000"


def test_starter(benchmark: Any, results: Results, closing: ExitStack) -> None:
    from kb.starter import files

    starter = files()
    _import(benchmark, results, closing, "starter KB", (starter.entities, starter.types, starter.predicates), rounds=3)


@pytest.mark.shared
@pytest.mark.parametrize("size", ["some", "all"])
def test_shared(
    size: str, shared_data: Path, tmp_path: Path, benchmark: Any, results: Results, closing: ExitStack
) -> None:
    folder = shared_data / "wiki-kb"
    entities = folder / "entities.jsonl.gz"
    if size == "some":
        entities = tmp_path / "entities.jsonl.gz"
        first_lines(folder / "entities.jsonl.gz", entities, SOME)
    files = (entities, folder / "types.jsonl.gz", folder / "predicates.jsonl.gz")
    name = f"first {SOME:,} of the development KB" if size == "some" else "whole development KB"
    _import(benchmark, results, closing, name, files, rounds=3 if size == "some" else 1)


def _import(
    benchmark: Any,
    results: Results,
    closing: ExitStack,
    name: str,
    files: tuple[Path, Path, Path],
    rounds: int,
) -> None:
    """Import into a new server each time; making and starting it is not measured."""
    from app.service import open_database
    from app.settings import Settings
    from kb.importers.jsonl import ImportOptions, import_jsonl

    entities, types, predicates = files
    imported: list[int] = []
    processors: list[float] = []

    def fresh() -> tuple[tuple[Any], dict[str, Any]]:
        closing.close()  # the server of the round before
        home = new_home()
        closing.callback(shutil.rmtree, home, ignore_errors=True)
        return (closing.enter_context(open_database(Settings(home=home, database_url=None))),), {}

    def work(engine: Any) -> None:
        started = sum(os.times()[:4])
        options = ImportOptions(rejects=Path(engine.url.query["host"]) / "rejects.jsonl")
        report = import_jsonl(engine, entities, types=types, predicates=predicates, options=options)
        processors.append(sum(os.times()[:4]) - started)  # with the process that reads the file
        imported.append(report.entities.added)

    benchmark.pedantic(work, setup=fresh, rounds=rounds, iterations=1)
    seconds = benchmark.stats.stats.median
    count = imported[0]
    of = f"{count:,} entities in {seconds:.1f} s, {min(processors):.1f} s computing outside the server"
    results.add(f"import, {name}", count / seconds, "entities/s", TARGET if name != "starter KB" else "", of)
