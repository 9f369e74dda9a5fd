"""Large files are read by another process: that shows in nothing but the time, and it outlives nobody."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from kb_files import NAMESAKE, PATIENCE, Kb, contents, entity, people, read_lines, until, written_lines

from kb.importers import apart
from kb.importers.formats import Reading
from kb.importers.report import ImportFailed, ImportReport, Progress


def readers(pid: int | None = None) -> list[psutil.Process]:
    """Return the processes that read a file for this one, or for another one."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if "kb.importers.apart" in child.cmdline():
                found.append(child)
    return found


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process as nothing can prevent, and wait until those that read for it are gone."""
    until(lambda: readers(process.pid))
    others = readers(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)
    assert psutil.wait_procs(others, PATIENCE)[1] == []


def both_ways(kb: Kb, path: Path, monkeypatch: pytest.MonkeyPatch, **how: Any) -> list[tuple[Any, ...]]:
    """Import a file, read here and by another process; return what is left behind and told each time."""
    found: list[tuple[Any, ...]] = []
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(apart, "Popen", start)
    for large in (1 << 40, 0):
        monkeypatch.setattr(apart, "LARGE_BYTES", large)
        other = Kb(kb.engine, f"{kb.namespace}-{large}", kb.folder)
        report = other.load(path, **how)
        rejects = read_lines(report.rejects_file) if report.rejects_file else []
        report.seconds = 0.0
        found.append((contents(other), report, rejects))
        assert len(started) == (large == 0)
    assert started[0].returncode is not None
    return found


def test_it_makes_no_difference(kb: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    items: list[dict[str, Any] | bytes] = [b"broken", *people(900)]
    items[300:300] = [b"[]", entity("e000003"), entity("x", popularity=-1), b"", entity("odd", colour="red")]
    items += [entity("e000200"), entity("last", size=3, source="Own"), b'{"id": "cut'[:-1]]
    path = kb.write(items)
    here, there = both_ways(kb, path, monkeypatch, batch=100, source="S")
    assert here == there
    report: ImportReport = there[1]
    assert (report.entities.added, report.entities.rejected) == (902, 6)
    assert report.unknown_fields == {"colour": 1, "size": 1}
    assert [item["line"] for item in there[2]] == [1, 301, 302, 303, 907, 909]


@pytest.mark.parametrize("dry_run", [False, True])
def test_damage_is_told_the_same(kb: Kb, monkeypatch: pytest.MonkeyPatch, dry_run: bool) -> None:
    path = kb.write(people(3000), "entities.jsonl.gz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    here, there = both_ways(kb, path, monkeypatch, batch=100, dry_run=dry_run)
    assert here == there
    assert "ends in the middle of its gzip data" in there[1].damage
    assert there[1].entities.added > 500


def test_standard_input_of_a_command(kb: Kb) -> None:
    data = b'{"id": "a", "label": "A"}\nbroken\n{"id": "b", "label": "B"}\n'
    for content in (data, gzip.compress(data)):
        done = kb.command("kb", "import", "-", "--rejects", "rejects", input=content)
        assert done.returncode == 0, done.stderr
        assert [item["line"] for item in read_lines(kb.folder / "rejects")] == [2]
    assert list(kb.records()) == ["a", "b"]


def test_a_reader_that_is_killed(kb: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed stays, and the next import goes on there."""
    monkeypatch.setattr(apart, "LARGE_BYTES", 0)
    path = kb.write(people(5000))

    def kill(position: Progress) -> None:
        if position.entities == 200:
            for reader in readers():
                reader.kill()

    with pytest.raises(ImportFailed, match=r"ended by signal 9.*import the same file again"):
        kb.load(path, batch=100, progress=kill)
    done = written_lines(kb)
    assert 200 <= done < 5000
    assert len(kb.records()) == done
    report = kb.load(path)
    assert (report.resumed_at, report.entities.added) == (done, 5000)


def test_a_reader_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LARGE_BYTES", 0)
    with pytest.raises(IsADirectoryError), apart.open_batches(tmp_path, Reading(), 5) as batches:
        next(batches)
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "__init__.py").write_text("raise SystemExit(3)")
    with pytest.raises(ImportFailed, match="ended with 3"), apart.open_batches(tmp_path, Reading(), 5) as batches:
        next(batches)


def test_an_import_that_stops_leaves_no_reader(kb: Kb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LARGE_BYTES", 0)

    def stop(_: Progress) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        kb.load(kb.write(people(5000)), batch=100, progress=stop)
    assert readers() == []


def command(kb: Kb, name: str) -> subprocess.Popen[bytes]:
    """Start `namesake kb import` with an open pipe as its standard input."""
    arguments = [NAMESAKE, "kb", "import", name, "--rejects", kb.folder / "rejects"]
    return subprocess.Popen(arguments, env=kb.environment(), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_a_reader_ends_with_an_import_that_is_killed(kb: Kb) -> None:
    path = kb.write(people(60_000))
    assert path.stat().st_size > apart.LARGE_BYTES
    with command(kb, str(path)) as process:
        until(lambda: written_lines(kb) > 0)
        end(process)


def test_a_reader_that_waits_for_input_ends_with_its_import(kb: Kb) -> None:
    """Whoever writes the input still holds it open, and need not write anything for the reader to end."""
    with command(kb, "-") as process:
        end(process)
        assert process.stdin
        with pytest.raises(BrokenPipeError):
            os.write(process.stdin.fileno(), b"{}\n")
