"""Imports that are cut off go on where they were; imports that meet do not hurt each other."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kb_files import NAMESAKE, PATIENCE, Kb, contents, entity, people, read_lines, until, written_lines
from sqlalchemy import text

from kb.importers.report import Counts, ImportFailed, ImportReport, Progress


class StoppedError(Exception):
    """The test has seen enough of this import."""


def undisturbed(kb: Kb, path: Path, **how: Any) -> tuple[dict[str, Any], ImportReport]:
    """Import the file into another knowledge base, without interruption."""
    other = Kb(kb.engine, f"{kb.namespace}-whole", kb.folder)
    report = other.load(path, **how)
    return contents(other), report


def interrupt(kb: Kb, path: Path, after: int, **how: Any) -> None:
    """Import until so many lines are written, and stop."""

    def stop(position: Progress) -> None:
        if position.entities >= after:
            raise StoppedError

    with pytest.raises(StoppedError):
        kb.load(path, progress=stop, **how)


def waiting(kb: Kb) -> list[int]:
    """Return the server's processes that wait for a lock in this test's database."""
    rows = kb.sql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query ILIKE 'copy relation%'"
    )
    return [pid for (pid,) in rows]


@contextmanager
def stuck_import(kb: Kb, path: Path, lines: int) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the process of an import that has committed `lines` lines or more and waits in the midst of a batch."""
    with kb.engine.connect() as blocker:
        process = subprocess.Popen(
            [NAMESAKE, "kb", "import", path],
            env=kb.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            until(lambda: written_lines(kb) >= lines or process.poll() is not None)
            # Entities of the next batch get written, their relations have to wait.
            blocker.execute(text("LOCK TABLE relation IN SHARE MODE"))
            until(lambda: waiting(kb) or process.poll() is not None)
            yield process
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)
            pids = waiting(kb)
            blocker.rollback()
        gone = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(:pids) AND state <> 'idle'"
        until(lambda: not kb.sql(gone, pids=pids))


def test_an_import_that_was_killed_goes_on(kb: Kb) -> None:
    path = kb.write([*people(25_000), b"broken"], "entities.jsonl.gz")
    with stuck_import(kb, path, 10_000) as process:
        assert process.poll() is None, process.stderr and process.stderr.read()
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    done = written_lines(kb)
    assert 10_000 <= done < 25_000
    # What was committed is whole, what was not has left no trace.
    records = kb.records()
    assert list(records) == [f"e{number:06}" for number in range(done)]
    assert {len(r.aliases) + len(r.types) + len(r.relations) + len(r.xrefs) for r in records.values()} == {5}
    report = kb.load(path)
    assert report.resumed_at == done
    assert report.entities == Counts(read=25_001, added=25_000, rejected=1)
    assert report.pending_relations == 1
    assert [item["line"] for item in read_lines(Path(f"{path}.rejects.jsonl"))] == [25_001]
    expected, _ = undisturbed(kb, path)
    assert contents(kb) == expected


@pytest.mark.parametrize("batches", [(10, 10), (10, 7), (7, 100)])
def test_batches_may_be_cut_otherwise_when_it_goes_on(kb: Kb, batches: tuple[int, int]) -> None:
    path = kb.write([b"broken", *people(60), entity("e000003"), *people(90)[60:]])
    interrupt(kb, path, 30, batch=batches[0])
    done = written_lines(kb)
    assert 0 < done < 92
    report = kb.load(path, batch=batches[1])
    expected, whole = undisturbed(kb, path)
    assert contents(kb) == expected
    whole = replace(whole, resumed_at=done, seconds=report.seconds, unknown_types=[], unknown_predicates=[])
    assert replace(report, unknown_types=[], unknown_predicates=[]) == whole
    assert report.entities == Counts(read=92, added=90, rejected=2)


def test_an_import_may_be_cut_off_again_and_again(kb: Kb) -> None:
    path = kb.write(people(50))
    for after in (10, 20, 30):
        interrupt(kb, path, after, batch=5)
    assert kb.load(path, batch=5).resumed_at == 30
    assert contents(kb) == undisturbed(kb, path)[0]
    attempts = kb.sql("SELECT attempts, status FROM job WHERE namespace = :namespace")
    assert attempts == [(4, "done")]


def test_a_finished_import_starts_anew(kb: Kb) -> None:
    path = kb.write(people(5))
    kb.load(path)
    kb.delete("e000002")
    report = kb.load(path)
    assert (report.resumed_at, report.entities) == (0, Counts(read=5, added=1, unchanged=4, conflicting=1))


def test_restart_begins_with_the_first_line(kb: Kb) -> None:
    path = kb.write(people(20))
    interrupt(kb, path, 10, batch=5)
    kb.delete("e000002")
    report = kb.load(path, restart=True)
    assert report.resumed_at == 0
    assert len(kb.records()) == 20
    assert kb.sql("SELECT status FROM job WHERE namespace = :namespace ORDER BY id") == [("cancelled",), ("done",)]


def test_another_file_or_source_or_namespace_starts_anew(kb: Kb) -> None:
    path = kb.write(people(20))
    interrupt(kb, path, 10, batch=5)
    assert kb.load(path, source="Other").resumed_at == 0
    other = Kb(kb.engine, f"{kb.namespace}-2", kb.folder)
    assert other.load(path).resumed_at == 0
    interrupt(kb, path, 15, batch=5, restart=True)
    path.write_bytes(path.read_bytes().replace(b"Person 3", b"Person X"))
    report = kb.load(path)
    assert report.resumed_at == 0
    assert kb.records()["e000003"].label == "Person X"


def test_an_interrupted_dry_run_leaves_nothing_to_go_on_with(kb: Kb) -> None:
    path = kb.write(people(20))
    interrupt(kb, path, 10, batch=5, dry_run=True)
    assert kb.sizes()["entity"] == 0
    assert kb.load(path).resumed_at == 0


def test_one_file_is_imported_once_at_a_time(kb: Kb) -> None:
    path = kb.write(people(10))
    refusals: list[str] = []

    def second(_: Progress) -> None:
        with pytest.raises(ImportFailed) as caught:
            kb.load(path)
        refusals.append(str(caught.value))

    report = kb.load(path, batch=5, progress=second)
    assert report.entities.added == 10
    assert set(refusals) == {"Another process is importing this file: wait for it, or stop it."}
    assert kb.load(path).entities.unchanged == 10


def test_files_with_the_same_entities_at_once(kb: Kb) -> None:
    """Each entity is as one of the files has it, and every edit has its revision and its change."""
    first, second = people(400), people(600)[200:]
    paths = [kb.write(first, "first"), kb.write([item | {"popularity": 9} for item in reversed(second)], "second")]
    failures: list[BaseException] = []

    def run(path: Path) -> None:
        try:
            kb.load(path, batch=20, rejects=Path(f"{path}.rejects"), source=path.name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures
    records = kb.records()
    assert list(records) == [f"e{number:06}" for number in range(600)]
    for number, record in enumerate(records.values()):
        assert (record.popularity, record.source) in ((0, "first"), (9, "second"))
        assert record.source == "first" or number >= 200
        assert len(record.aliases) == 2
    sizes = kb.sizes()
    assert (sizes["alias"], sizes["relation"], sizes["entity_type"]) == (1200, 600, 600)
    edits = kb.sql("SELECT sum(version) FROM entity WHERE namespace = :namespace")[0][0]
    assert sizes["revision"] == sizes["change"] == edits + 2  # and one type, one predicate
